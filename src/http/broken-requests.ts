import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.ts'
import { INVALID_TARGET } from './routing.ts'

/** Of each connection the newest response. Responses are sent in order, so the others end before it. */
const newest = new WeakMap<Socket, ServerResponse>()
const broken = new WeakSet<Socket>()
/** Why requests, or their contents, could not be read. */
const faults = new WeakMap<IncomingMessage, ApiError>()

/** Sends requests that Node.js would answer by itself through the app: they are counted and logged like any other. */
export function routeEverything(app: FastifyInstance): void {
  const server = app.server as Server
  server.on('request', (request, response) => void newest.set(request.socket, response))
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}

/** Answers what the HTTP parser refuses, after the responses that are still due, and closes the connection. */
export function answerBrokenRequest(
  app: FastifyInstance,
  error: NodeJS.ErrnoException,
  socket: Socket,
): void {
  // The parser fails again at every further byte.
  if (broken.has(socket)) return
  broken.add(socket)
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const fault = toFault(error.code)
  const answer = () => respond(app, createBrokenRequest(socket, fault), socket)
  const due = newest.get(socket)
  if (!due || due.writableFinished) answer()
  else if (due.req.complete) due.once('close', answer)
  else {
    // The content of the newest request is broken: that is its response, unless another one is on its way.
    faults.set(due.req, fault)
    if (due.req.listenerCount('error') > 0) due.req.emit('error', fault)
    due.once('close', () => socket.destroySoon())
  }
}

/** Closed afterwards: nobody knows where on the connection the next request begins. */
function respond(app: FastifyInstance, request: IncomingMessage, socket: Socket): void {
  // The response before it has closed the connection.
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
    ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request was not complete in time.'] as const,
    HPE_HEADER_OVERFLOW: [431, 'The headers are larger than 16 KiB.'] as const,
  }[code] ?? [400, 'The request is not valid HTTP/1.1.']
  return new ApiError('invalid_request', { ...closing, status, detail })
}

/** How many lines a header section may have; those after the 2000th would be ignored silently. */
const MAX_HEADERS = 100

/** Why a request, or its content so far, could not be read. */
export const findParserFault = (request: IncomingMessage): ApiError | undefined => faults.get(request)

/** What is wrong with a request as HTTP, or makes it ambiguous for a proxy in front (RFC 9112). */
export function findFault(request: IncomingMessage): ApiError | undefined {
  const { headers, rawHeaders, httpVersion } = request
  const count = (wanted: string) =>
    rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === wanted).length
  const fail = (detail: string, status = 400) =>
    new ApiError('invalid_request', { ...closing, status, detail })

  if (httpVersion === '0.9') return fail('HTTP/0.9 is not supported.')
  if (rawHeaders.length / 2 > MAX_HEADERS) return fail(`There are more than ${MAX_HEADERS} headers.`)
  const hosts = count('host')
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return fail('There must be one Host header.')
  if (headers['content-type'] !== undefined && count('content-type') > 1)
    return fail('There must be at most one Content-Type header.')
  // RFC 9112, section 6.1.
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)
    return fail('HTTP/1.0 has no transfer codings.')
  const coding = headers['transfer-encoding'] ?? 'chunked'
  if (coding.toLowerCase() !== 'chunked') return fail('The only supported transfer coding is chunked.')
  // RFC 9110, section 10.1.1.
  const expected = httpVersion === '1.1' ? (headers.expect ?? '100-continue') : '100-continue'
  return expected.toLowerCase() === '100-continue'
    ? undefined
    : fail('The only expectation that can be met is 100-continue.', 417)
}
