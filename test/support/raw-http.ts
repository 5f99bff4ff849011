import { connect } from 'node:net'

export interface RawResponse {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends text to a local port as it is, and resolves to all that is sent back before the connection closes. */
export const sendText = (port: number, ...parts: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const part of parts) socket.write(part, 'latin1')
    })
    let received = ''
    socket.on('data', (data) => (received += data))
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })

/** The responses in a text, none of them chunked. Those to HEAD requests have no body. */
export function parseResponses(text: string): RawResponse[] {
  const responses: RawResponse[] = []
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n')
    const [line = '', ...lines] = rest.slice(0, end).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((header) => {
        const colon = header.indexOf(':')
        return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
      }),
    )
    rest = rest.slice(end + 4)
    const length = rest.startsWith('HTTP/1.1 ') ? 0 : Number(headers['content-length'] ?? 0)
    responses.push({ status: Number(line.split(' ')[1]), headers, body: rest.slice(0, length) })
    rest = rest.slice(length)
  }
  return responses
}
