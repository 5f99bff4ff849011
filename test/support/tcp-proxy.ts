import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A TCP proxy before a database that records which way data flows, and can cut or hold it back. */
export async function startProxy(t: Test, target: string, listenOn?: string) {
  const sockets = new Set<Socket>()
  const proxy = {
    url: '',
    /** The server, as a URL. */
    target,
    /** `>` for each burst of data to the server, `<` for each burst back. */
    flights: '',
    /** The number of connections so far. */
    connections: 0,
    /** All that was sent to the server. */
    sent: '',
    /** While true, what the server answers is not passed on. */
    mute: false,
    /** Each connection is cut after so many bytes either way. */
    cutAfter: undefined as (() => number) | undefined,
    /** Becomes mute as soon as this has been sent to the server. */
    muteAfter: undefined as string | undefined,
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
  const server = createServer((client) => {
    proxy.connections++
    const { hostname, port } = new URL(proxy.target)
    const upstream = connect(Number(port), hostname)
    let left = proxy.cutAfter?.()
    /** What may pass of the data. */
    const pass = (data: Buffer): Buffer => {
      left ??= proxy.cutAfter?.()
      if (left === undefined) return data
      if (data.length > left) setImmediate(() => client.destroy())
      const passed = data.subarray(0, left)
      left -= passed.length
      return passed
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const record = (way: string) => {
      if (!proxy.flights.endsWith(way)) proxy.flights += way
    }
    client.on('data', (data) => {
      record('>')
      proxy.sent += data.toString('latin1')
      if (proxy.muteAfter && data.includes(proxy.muteAfter)) proxy.mute = true
      upstream.write(pass(data))
    })
    upstream.on('data', (data) => {
      record('<')
      if (!proxy.mute) client.write(pass(data))
    })
  })
  const where = listenOn ? { path: listenOn } : { port: 0, host: '127.0.0.1' }
  await new Promise<void>((resolve) => server.listen(where, resolve))
  t.teardown(() => {
    proxy.cut()
    server.close()
  })
  const { port: own } = Object(server.address()) as AddressInfo
  proxy.url = Object.assign(new URL(target), { port: String(own) }).href
  return proxy
}
