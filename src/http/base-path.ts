import fp from 'fastify-plugin'
import type { Config } from '../config.ts'

/**
 * Puts BASE_PATH in front of the paths in the headers Location and Link. Requests arrive without it: the proxy in front
 * strips it.
 */
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
