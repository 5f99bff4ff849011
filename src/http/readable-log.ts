import type { Config } from '../config.ts'

type Terminal = Pick<NodeJS.WriteStream, 'isTTY' | 'hasColors'> & NodeJS.WritableStream
type Line = Record<string, unknown>

/** Members of a request's line that its message contains, and those that are the same in every line. */
const HIDDEN = 'pid,hostname,method,route,status,ms,statements,db_ms,user_id'

/**
 * Makes the log readable on a terminal; in production and elsewhere it stays JSON.
 * @returns the destination of the log: lines that pino writes are formatted by pino-pretty, a development dependency
 */
export async function makeReadable(
  out: Terminal,
  { NODE_ENV }: Config,
  importFormatter = () => import('pino-pretty'),
): Promise<NodeJS.WritableStream> {
  if (!out.isTTY || NODE_ENV === 'production') return out
  const pretty = await importFormatter().catch(() => undefined)
  if (!pretty) return out
  const format = pretty.prettyFactory({
    colorize: out.hasColors(),
    translateTime: 'SYS:HH:MM:ss',
    ignore: HIDDEN,
    singleLine: true,
    messageFormat: ({ msg, method, route, status, ms }: Line) =>
      msg === 'request' ? `${method} ${route} ${status} ${ms} ms` : `${msg}`,
  })
  return { write: (line: string) => out.write(format(line)) } as NodeJS.WritableStream
}
