import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { accountFor } from '../../../db/embedded/place.ts'
import { startEmbedded } from '../../../db/embedded/start.ts'
import { flags, makeFolder, pidFile, useAndStop } from '../../support/embedded.ts'

t.test('starts despite what earlier starts left behind', async (t) => {
  const folder = makeFolder(t)
  await (await startEmbedded(folder, flags)).stop()
  // A process that is running, of the account that the server runs as: what a recycled ID is in a container.
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
    ...(await accountFor(process.getuid?.())),
    stdio: 'ignore',
  })
  t.teardown(() => other.kill('SIGKILL'))
  await once(other, 'spawn')
  const leave = (pid: unknown) => {
    const data = join(folder, 'postgres/data')
    writeFileSync(pidFile(folder), `${pid}\n${data}\n1764000000\n1\n\n127.0.0.1\n1 1\nready   \n`)
  }
  const remains: Record<string, () => void> = {
    'a server whose process ID another process has now': () => leave(other.pid),
    'a server that had the process ID of this service': () => leave(process.pid),
    'a server that had the process ID 1': () => leave(1),
    'a server whose process ID nobody has': () => leave(4_194_000),
    'an empty postmaster.pid': () => writeFileSync(pidFile(folder), ''),
    'a postmaster.pid that is none': () => writeFileSync(pidFile(folder), 'x\n'),
    'the file of version 1.0 with the ID of a process that is running': () =>
      writeFileSync(join(folder, 'holder.pid'), `${other.pid}\n`),
    'a lock file with the ID of a process that is running': () =>
      writeFileSync(join(folder, 'lock'), `${other.pid}\n`),
    'unfinished files': () => {
      writeFileSync(join(folder, 'secrets.json.unfinished-1'), '{"super')
      mkdirSync(join(folder, 'postgres/data.unfinished-1'))
    },
  }
  for (const [name, leave] of Object.entries(remains)) {
    leave()
    await useAndStop(t, await startEmbedded(folder, flags), name)
  }
  t.equal(other.exitCode, null, 'and does not stop a process that is not its own')
  t.notOk(existsSync(join(folder, 'secrets.json.unfinished-1')))
})

const root = { skip: process.getuid?.() !== 0 && 'needs root, to start as several users' }
t.test('is started by root and by the owner of its folder in turn', root, async (t) => {
  const folder = makeFolder(t)
  chownSync(folder, 65534, 65534)
  const data = join(folder, 'data')
  const script = `
    import { startEmbedded } from './db/embedded/start.ts'
    try { await (await startEmbedded(process.argv[1], ['fsync=off'])).stop() } catch ({ message }) { console.log(message) }`
  const startAs = async (uid: number, place = data) => {
    // Without tap's own NODE_OPTIONS, which have every process write to the checkout.
    const options = ['--import', 'ts-blank-space/register', '--input-type=module', '--eval', script, place]
    const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...options], { uid, gid: uid })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
    await once(child, 'close')
    return said
  }
  for (const uid of [0, 65534, 0, 65534]) t.equal(await startAs(uid), '', `${uid}`)
  t.match(await startAs(12345), /^The data folder .* cannot be read and written by user 12345: [^\n]*\n$/)
  const own = join(folder, 'own')
  mkdirSync(own)
  chownSync(own, 12345, 12345)
  t.match(await startAs(12345, own), /^User 12345 has no entry in \/etc\/passwd, [^\n]*\n$/)
})
