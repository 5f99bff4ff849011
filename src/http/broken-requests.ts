import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { ApiError } from './errors.ts'
import { toProblem } from './problems.ts'

/** What never becomes a request is answered with a problem document too, and its connection closed. */
function describe(status: number): { headers: Record<string, string>; body: string } {
  const { title: _, ...problem } = toProblem(
    new ApiError('invalid_request', { detail: 'The request could not be read.' }),
    { url: '', id: '' },
  )
  const body = JSON.stringify({ ...problem, title: STATUS_CODES[status], status })
  const headers = {
    Connection: 'close',
    'Content-Type': 'application/problem+json',
    'Content-Length': `${Buffer.byteLength(body)}`,
  }
  return { headers, body }
}

/** Answers what the HTTP parser refuses, on the bare socket. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writable) {
    const status = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }[String(error.code)] ?? 400
    const { headers, body } = describe(status)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  }
  socket.destroy()
}

/** Answers an Expect other than 100-continue (RFC 9110, section 10.1.1). */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { headers, body } = describe(417)
  response.writeHead(417, headers).end(body)
}

/** How many lines a header section may have; those after the 2000th would be ignored silently. */
const MAX_HEADERS = 100

/** What a proxy in front could take for another request than we do, or is no HTTP/1.1 (RFC 9112). */
export function findFault({ headers, rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  if (httpVersion === '0.9') return 'HTTP/0.9 is not spoken here.'
  if (rawHeaders.length / 2 > MAX_HEADERS) return `There are more than ${MAX_HEADERS} headers.`
  const hosts = rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === 'host').length
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return 'There must be one Host header.'
  const coding = headers['transfer-encoding'] ?? 'chunked'
  return coding.toLowerCase() === 'chunked' ? undefined : 'The only transfer coding is chunked.'
}
