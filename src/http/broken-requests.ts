import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.ts'
import { INVALID_TARGET } from './routing.ts'

/** The newest response of each connection. Responses are sent in order, so it is the last to end. */
const newest = new WeakMap<Socket, ServerResponse>()
const broken = new WeakSet<Socket>()
/** Why a request or its body could not be parsed. */
const faults = new WeakMap<IncomingMessage, ApiError>()

/**
 * Remembers each connection's newest response, and passes requests with an Expect header to the app: Node would respond
 * to them itself, without logs and rate limits.
 */
export function watchConnections(app: FastifyInstance): void {
  const server = app.server as Server
  server.on('request', (request, response) => void newest.set(request.socket, response))
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}

/** Responds to bytes that the HTTP parser rejects, after the pending responses, and closes the connection. */
export function handleParserError(app: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket): void {
  // The parser fails again at each further byte.
  if (broken.has(socket)) return
  broken.add(socket)
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const fault = toFault(error.code)
  const sendResponse = () => respond(app, createBrokenRequest(socket, fault), socket)
  const due = newest.get(socket)
  if (!due || due.writableFinished) sendResponse()
  else if (due.req.complete) due.once('close', sendResponse)
  else {
    // The body of the newest request is broken: the fault becomes its response, unless one is being sent.
    faults.set(due.req, fault)
    if (due.req.listenerCount('error') > 0) due.req.emit('error', fault)
    due.once('close', () => socket.destroySoon())
  }
}

/** Closes the connection afterwards: the start of the next request is unknown. */
function respond(app: FastifyInstance, request: IncomingMessage, socket: Socket): void {
  // An earlier response has closed the connection.
  if (!socket.writable) return
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => socket.destroySoon())
  app.routing(request, response)
}

function createBrokenRequest(socket: Socket, fault: ApiError): IncomingMessage {
  const request = new IncomingMessage(socket)
  const line = { method: 'GET', url: INVALID_TARGET, httpVersion: '1.1' }
  faults.set(request, fault)
  return Object.assign(request, line, { httpVersionMajor: 1, httpVersionMinor: 1 })
}

const closing = { headers: { connection: 'close' } }
const toFault = (code = ''): ApiError => {
  const [status, detail] = {
    ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request was not received in time.'] as const,
    HPE_HEADER_OVERFLOW: [431, 'The headers exceed 16 KiB.'] as const,
  }[code] ?? [400, 'The request is not valid HTTP/1.1.']
  return new ApiError('invalid_request', { ...closing, status, detail })
}

/** Header lines per request. Node silently ignores those after the 2000th. */
const MAX_HEADERS = 100

/** Returns why the HTTP parser rejected a request or its body. */
export const findParserFault = (request: IncomingMessage): ApiError | undefined => faults.get(request)

/** Counts the lines of a header. @param name in lower case */
export function countHeaders({ rawHeaders }: IncomingMessage, name: string): number {
  let count = 0
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) count++
  return count
}

/** Finds a violation of HTTP, or what a proxy in front could read differently (RFC 9112). */
export function findHttpFault(request: IncomingMessage): ApiError | undefined {
  const { headers, rawHeaders, httpVersion } = request
  const fail = (detail: string, status = 400) =>
    new ApiError('invalid_request', { ...closing, status, detail })

  if (httpVersion === '0.9') return fail('HTTP/0.9 is not supported.')
  if (rawHeaders.length / 2 > MAX_HEADERS) return fail(`A request must have at most ${MAX_HEADERS} headers.`)
  const hosts = countHeaders(request, 'host')
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1'))
    return fail('A request must have exactly one Host header.')
  if (headers['content-type'] !== undefined && countHeaders(request, 'content-type') > 1)
    return fail('A request must have at most one Content-Type header.')
  // RFC 9112, section 6.1.
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)
    return fail('HTTP/1.0 does not support Transfer-Encoding.')
  const coding = headers['transfer-encoding'] ?? 'chunked'
  if (coding.toLowerCase() !== 'chunked') return fail('Transfer-Encoding must be chunked.')
  // RFC 9110, section 10.1.1.
  const expected = httpVersion === '1.1' ? (headers.expect ?? '100-continue') : '100-continue'
  return expected.toLowerCase() === '100-continue' ? undefined : fail('Expect must be 100-continue.', 417)
}
