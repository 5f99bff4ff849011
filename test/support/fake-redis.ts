import { createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * A Redis that counts and never forgets, with as much of its protocol (RESP2) as rate limits need.
 * @returns its URL, and how to close its connections, and no longer accept any
 */
export async function startFakeRedis(t: Test) {
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const run = ([command, , , key]: string[]): string => {
    if (!command?.startsWith('eval')) return '$19\r\nredis_version:7.2.0\r\n'
    const count = (counts.get(`${key}`) ?? 0) + 1
    counts.set(`${key}`, count)
    return `*2\r\n:${count}\r\n:60000\r\n`
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      // Each command is an array of strings, whose lengths nothing here needs.
      for (const command of `${data}`.split(/^\*\d+\r\n/m).slice(1))
        socket.write(run(command.split('\r\n').filter((_, index) => index % 2 === 1)))
    })
  })
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as { port: number }
  return { url: `redis://127.0.0.1:${port}`, close, restart: () => listen(port) }
}
