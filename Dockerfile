# The images can come from a mirror, or be pinned by digest: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:24-bookworm-slim
# No shell and no package manager in it. Keep its Node and Debian releases equal to those of NODE_IMAGE.
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# Before the sources, so that a change to them reuses the installed packages.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY db db
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without what no program reads: source maps and types.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.*ts' \) -delete

FROM ${RUNTIME_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
# From what changes least to what changes most. All of it belongs to root: the API can write none of it.
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
# The API serves no database that lacks the newest one.
COPY db/migrations db/migrations
COPY src/openapi/explorer src/openapi/explorer
# The guides, which the API serves at /docs/guide.
COPY docs/*.md docs/
COPY src/run.mjs src/
COPY --from=build /app/dist dist
# By number, so that an orchestrator can tell that it is not root.
USER 65532:65532
EXPOSE 8000
# There is no shell to expand $PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8000) + '/health').then(({ ok }) => process.exit(ok ? 0 : 1))"]
# The garbage of requests is collected in smaller parts: as fast, and with less memory.
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=4", "src/run.mjs"]
# Or migrate, rollback, status, audit or diagram.
CMD ["start"]
