import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { createSenderSecret } from '../../src/mail/sender-secret.ts'
import { createApp, signUp, testing } from '../support/app.ts'
import { cloneDatabase } from '../support/clone-database.ts'
import { until } from '../support/until.ts'
import { decode, header, startSmtpServer } from './smtp-server.ts'

const database = await cloneDatabase(t)
const { admin } = database
const mailing = { MAIL_FROM: 'TODO API <todo@example.com>', PUBLIC_URL: 'https://todo.example.com/api' }
const secret = createSenderSecret({ JWT_SECRET: testing.JWT_SECRET, JWT_SECRET_PREVIOUS: '' })

/** The built-in certificate of the server is its own authority. */
const trusting: AppOptions = { mailTransport: { tls: { rejectUnauthorized: false } } }
const createMailer = (t: Test, url: string, options: AppOptions = trusting) =>
  createApp(t, database, { ...mailing, MAIL_URL: url }, options)

/** Queues mails to a new user, as definer functions do. @returns the user, and whether each was queued */
async function queue(app: Awaited<ReturnType<typeof createMailer>>, kind: string, params = {}, times = 1) {
  const user = await signUp(app)
  // The mail that follows a registration.
  await admin`delete from identity.mails where user_id = ${user.id}`
  const queued = await admin<{ queued: boolean }[]>`
    select identity.queue_mail(${user.id}, ${kind}, null, ${admin.json(params)}) as queued
    from generate_series(1, ${times}::integer)`
  return { ...user, queued: queued.map((row) => row.queued) }
}
const stateOf = async (user: { id: string }) => {
  const [row] = await admin`
    select id, attempts, next_attempt_at is null as finished, next_attempt_at > now() as waits, params::text
    from identity.mails where user_id = ${user.id}`
  return row
}
/** Lets the pause before the next attempt, or the lease, be over. */
const makeDue = (user: { id: string }) =>
  admin`update identity.mails set next_attempt_at = now() where user_id = ${user.id} and next_attempt_at is not null`

t.test('sends a mail once, encrypted and with a login', async (t) => {
  const logins: unknown[] = []
  const { port, mails } = await startSmtpServer(t, {
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => {
      logins.push([username, password])
      done(null, { user: username })
    },
    onMailFrom: (_address, { secure }, done) => done(secure ? null : new Error('unencrypted')),
  })
  const app = await createMailer(t, `smtp://us%40er:p%2Fss@127.0.0.1:${port}`)
  const user = await queue(app, 'verify_email')
  t.equal(await app.mail.sendDue(), 1)
  t.equal(await app.mail.sendDue(), 0)
  t.same(logins, [['us@er', 'p/ss']])
  t.match(mails, [{ from: 'todo@example.com', to: [user.email] }])
  const content = `${mails[0]?.content}`
  const state = await stateOf(user)
  t.match(state, { attempts: 1, finished: true, params: '{}' })
  t.equal(header(content, 'Message-ID'), `<${state?.id}@example.com>`)
  t.equal(header(content, 'From'), 'TODO API <todo@example.com>')
  t.equal(header(content, 'Subject'), 'Confirm your email address')
  t.equal(header(content, 'Auto-Submitted'), 'auto-generated')
  t.equal(
    decode(content).split('https://todo.example.com/api/link#todo_verify_').length,
    3,
    'in text and in HTML',
  )
  t.match(app.mail.outcomes, { sent: 1, retry: 0, given_up: 0 })
})

t.test('speaks TLS from the start to smtps://, and trusts no unknown certificate', async (t) => {
  const { port, mails } = await startSmtpServer(t, { secure: true })
  const url = `smtps://127.0.0.1:${port}`
  const app = await createMailer(t, url, {})
  const user = await queue(app, 'token_created')
  await app.mail.sendDue()
  t.same(mails, [])
  t.match(await stateOf(user), { attempts: 1, finished: false, waits: true })
  await makeDue(user)
  await (await createMailer(t, url)).mail.sendDue()
  t.equal(mails.length, 1)
})

t.test('sends nothing unencrypted unless it is told to', async (t) => {
  const { port, mails } = await startSmtpServer(t, {
    hideSTARTTLS: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
  })
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  const user = await queue(app, 'token_created')
  await app.mail.sendDue()
  t.same(mails, [])
  t.match(await stateOf(user), { attempts: 1, finished: false })
  await makeDue(user)
  await (await createMailer(t, `smtp://127.0.0.1:${port}?tls=none`)).mail.sendDue()
  t.equal(mails.length, 1)
})

t.test('tries again after a temporary refusal, and gives up after a permanent one', async (t) => {
  let responseCode = 451
  const { port, mails } = await startSmtpServer(t, {
    onRcptTo: (_address, _session, done) =>
      done(responseCode ? Object.assign(new Error('refused'), { responseCode }) : null),
  })
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  const [first, second] = [await queue(app, 'token_created'), await queue(app, 'token_created')]
  t.equal(await app.mail.sendDue(), 2)
  t.match(await stateOf(first), { attempts: 1, finished: false, waits: true })
  t.equal(await app.mail.sendDue(), 0, 'not before the pause is over')
  responseCode = 0
  await makeDue(first)
  t.equal(await app.mail.sendDue(), 1)
  t.match(mails, [{ to: [first.email] }])
  responseCode = 550
  await makeDue(second)
  await app.mail.sendDue()
  t.match(await stateOf(second), { attempts: 2, finished: true })
  t.equal(mails.length, 1)
  t.match(app.mail.outcomes, { sent: 1, retry: 2, given_up: 1 })
})

t.test('sends again, with the same Message-ID, when the answer of the server was lost', async (t) => {
  const seen: string[] = []
  const { port, mails, server } = await startSmtpServer(t, {
    onData: (stream, _session, done) => {
      let content = ''
      stream.on('data', (part) => {
        content += part
      })
      stream.on('end', () => {
        seen.push(`${header(content, 'Message-ID')}`)
        if (seen.length > 1) return done()
        for (const connection of server.connections) connection.close()
      })
    },
  })
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  const user = await queue(app, 'token_created')
  await app.mail.sendDue()
  t.match(await stateOf(user), { attempts: 1, finished: false })
  await makeDue(user)
  await app.mail.sendDue()
  t.equal(seen.length, 2)
  t.equal(seen[0], seen[1])
  t.match(await stateOf(user), { attempts: 2, finished: true })
  t.same(mails, [])
})

t.test('cuts the connection to a server that never answers, or answers byte by byte', async (t) => {
  for (const greet of [() => {}, (write: (text: string) => void) => write('220-')]) {
    const closed: Promise<void>[] = []
    const silent = createServer((socket) => {
      const timer = setInterval(() => greet((text) => socket.write(text)), 20)
      closed.push(
        new Promise((resolve) =>
          socket
            .on('error', () => {})
            .on('close', () => {
              clearInterval(timer)
              resolve()
            }),
        ),
      )
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    t.teardown(() => silent.close())
    const { port } = silent.address() as { port: number }
    const app = await createMailer(t, `smtp://127.0.0.1:${port}`, { mailTransport: { timeout: 200 } })
    const user = await queue(app, 'token_created')
    await app.mail.sendDue()
    t.match(await stateOf(user), { attempts: 1, finished: false, waits: true })
    t.equal(closed.length, 1)
    await closed[0]
  }
})

t.test('tries again when the server refuses or closes connections, or refuses the login', async (t) => {
  const { port } = await startSmtpServer(t, { onAuth: (_auth, _session, done) => done(new Error('wrong')) })
  const closes = createServer((socket) => socket.end())
  await new Promise<void>((resolve) => closes.listen(0, '127.0.0.1', resolve))
  t.teardown(() => closes.close())
  const { port: closing } = closes.address() as { port: number }
  for (const address of [`user:wrong@127.0.0.1:${port}`, '127.0.0.1:1', `127.0.0.1:${closing}`]) {
    const app = await createMailer(t, `smtp://${address}`)
    const user = await queue(app, 'token_created')
    await app.mail.sendDue()
    t.match(await stateOf(user), { attempts: 1, finished: false })
    await admin`delete from users where id = ${user.id}`
  }
})

t.test('sends each mail once from several replicas', async (t) => {
  const { port, mails } = await startSmtpServer(t)
  const replicas = await Promise.all([1, 2, 3].map(() => createMailer(t, `smtp://127.0.0.1:${port}`)))
  const [app] = replicas as [(typeof replicas)[number]]
  const users = await Promise.all(Array.from({ length: 4 }, () => queue(app, 'token_created', {}, 5)))
  await Promise.all(replicas.map((replica) => replica.mail.sendDue()))
  t.equal(mails.length, 20)
  t.equal(new Set(mails.map(({ content }) => header(content, 'Message-ID'))).size, 20)
  t.same(new Set(mails.flatMap(({ to }) => to)), new Set(users.map(({ email }) => email)))
})

t.test('takes over the mail of a sender that crashed, after its lease', async (t) => {
  const { port, mails } = await startSmtpServer(t)
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  const user = await queue(app, 'token_created')
  await admin`select app.claim_mails(${secret.sender}, null, 10, 300)`
  t.equal(await app.mail.sendDue(), 0)
  await makeDue(user)
  t.equal(await app.mail.sendDue(), 1)
  t.equal(mails.length, 1)
})

t.test('sends in the background, and lets the queue be watched', async (t) => {
  const { port, mails } = await startSmtpServer(t)
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  await app.listen({ port: 0, host: '127.0.0.1' })
  await queue(app, 'token_created')
  const { waiting, oldest_seconds } = await app.mail.count()
  t.ok(waiting >= 0 && oldest_seconds >= 0)
  app.mail.wake()
  app.mail.wake()
  await until('the mail arrives', () => mails.length > 0)
  await app.close()
})

t.test('removes old mails, and warns of those that were not sent', async (t) => {
  const logTo = new PassThrough()
  const lines: string[] = []
  logTo.on('data', (line) => lines.push(`${line}`))
  const app = await createApp(t, database, { LOG_LEVEL: 'warn' }, { logTo })
  const user = await queue(app, 'token_created')
  await admin`update identity.mails set created_at = now() - interval '25 hours' where user_id = ${user.id}`
  await app.listen({ port: 0, host: '127.0.0.1' })
  await until('the mail is removed', async () => !(await stateOf(user)))
  await until('there is a warning', () => lines.some((line) => line.includes('"unsent":1')))
})

t.test('limits the mails of a kind to an account and to an address', async (t) => {
  const app = await createApp(t, database)
  const user = await queue(app, 'token_created', {}, 6)
  t.same(user.queued, [true, true, true, true, true, false])
  const other = await signUp(app)
  const [same] = await admin`
    select identity.queue_mail(${user.id}, 'session_ended', null, '{}') as other_kind,
           identity.queue_mail(${other.id}, 'token_created', ${user.email}, '{}') as same_address,
           identity.queue_mail(${other.id}, 'token_created', ${user.email.toUpperCase()}, '{}') as same_address_in_upper_case,
           identity.queue_mail(${other.id}, 'token_created', null, '{}') as other_address`
  t.match(same, {
    other_kind: true,
    same_address: false,
    same_address_in_upper_case: false,
    other_address: true,
  })
  await admin`update identity.mails set created_at = now() - interval '2 hours' where user_id = ${user.id}`
  for (const expected of [5, 5, 5, 0]) {
    const rows = await admin<{ queued: boolean }[]>`
      select identity.queue_mail(${user.id}, 'token_created', null, '{}') as queued from generate_series(1, 20)`
    await admin`update identity.mails set created_at = now() - interval '2 hours' where user_id = ${user.id}`
    t.equal(rows.filter(({ queued }) => queued).length, expected)
  }
})

t.test('lets only the sender read the queue', async (t) => {
  const JWT_SECRET = 'another-secret-another-secret-another'
  const app = await createApp(t, database)
  const stranger = await createApp(t, database, { JWT_SECRET })
  const rotated = await createApp(t, database, { JWT_SECRET, JWT_SECRET_PREVIOUS: testing.JWT_SECRET })
  await app.mail.sendDue()
  await t.rejects(stranger.mail.sendDue(), { code: '42501' })
  await rotated.mail.sendDue()
  await stranger.mail.sendDue()
  await t.rejects(app.mail.sendDue(), { code: '42501' })
  await admin`select app.rotate_context_key()`
  await app.mail.sendDue()
})

t.test('does not send a mail that was withdrawn while it was claimed', async (t) => {
  const { port, mails } = await startSmtpServer(t)
  const app = await createMailer(t, `smtp://127.0.0.1:${port}`)
  const user = await queue(app, 'verify_email')
  await admin`
    create function app.withdraw() returns trigger language plpgsql as
      $$ begin new.next_attempt_at := null; return new; end $$`
  await admin`create trigger withdraw before update on identity.mails for each row execute function app.withdraw()`
  await app.mail.sendDue()
  await admin`drop trigger withdraw on identity.mails`
  t.match(await stateOf(user), { finished: true })
  t.notOk(mails.some(({ to }) => to.includes(user.email)))
})

t.test('writes files to a folder, and the link to the log', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mail-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const logTo = new PassThrough()
  const lines: string[] = []
  logTo.on('data', (line) => lines.push(`${line}`))
  const env = { MAIL_URL: pathToFileURL(join(folder, 'mail')).href, LOG_LEVEL: 'info' }
  const app = await createApp(t, database, env, { logTo })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await queue(app, 'reset_password')
  app.mail.wake()
  const link = `${app.listeningOrigin}/link#todo_reset_`
  await until('the log has the link', () => lines.some((line) => line.includes(link)))
  const files = await readdir(join(folder, 'mail'))
  const file = `${files.sort().at(-1)}`
  t.match(file, /\.eml$/)
  t.match(decode(await readFile(join(folder, 'mail', file), 'utf8')), link)
})
