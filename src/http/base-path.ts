import fp from 'fastify-plugin'
import type { Config } from '../config.ts'

/** Adds BASE_PATH to the paths in the Location and Link headers. The proxy strips it from requests. */
export default fp<{ config: Config }>(
  async (app, { config: { BASE_PATH: base } }) => {
    if (base === '') return
    app.addHook('onSend', async (_request, reply) => {
      const { location, link } = reply.getHeaders()
      if (location !== undefined) reply.header('location', `${location}`.replace(/^\//, `${base}/`))
      if (link !== undefined) reply.header('link', `${link}`.replaceAll('</', `<${base}/`))
    })
  },
  { name: 'base-path' },
)
