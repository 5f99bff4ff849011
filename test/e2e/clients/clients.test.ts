import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { password, setUp } from '../../support/app.ts'
import { freePort } from '../../support/free-port.ts'
import { arrange } from './postman.ts'
import { needsTools, runTool, tool } from './tools.ts'

// Other people's generators, clients and validators, on the committed document. Everything passes through Prism, which
// compares each request and response with the document.

t.setTimeout(600_000)
const tools = await needsTools()

t.test('clients that others make from the document', tools, async (t) => {
  const { app } = await setUp(t)
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const folder = t.testdir({ 'package.json': '{"type":"commonjs"}' })
  copyFileSync('openapi/openapi.json', join(folder, 'openapi.json'))
  const run = (name: string, ...args: string[]) => runTool(folder, name, ...args)
  const { address, log } = await startPrism(origin)

  t.test('@hey-api/openapi-ts and orval: compile, and work for the whole life of an account', async (t) => {
    const configuration = {
      todo: {
        input: 'openapi.json',
        output: { target: 'generated/orval/client.ts', client: 'fetch', baseUrl: address },
      },
    }
    writeFileSync(join(folder, 'orval.config.cjs'), `module.exports = ${JSON.stringify(configuration)}`)
    await run('openapi-ts', '--input', 'openapi.json', '--output', 'generated/hey-api')
    await run('orval', '--config', 'orval.config.cjs')
    const programs = ['hey-api', 'orval']
    for (const name of programs)
      copyFileSync(`test/e2e/clients/programs/${name}.ts`, join(folder, `${name}.ts`))
    const options =
      '--strict --esModuleInterop --module commonjs --target es2022 --types node --skipLibCheck --outDir built'
    await run('tsc', ...options.split(' '), ...programs.map((name) => `${name}.ts`))
    for (const name of programs) {
      const program = spawn(process.execPath, [join(folder, 'built', `${name}.js`), address, password], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let complaint = ''
      program.stderr.on('data', (data) => (complaint += data))
      const [code] = await once(program, 'close')
      t.equal(code, 0, `${name} ${complaint}`)
    }
  })

  t.test('openapi-to-postmanv2 and newman: every request of the collection does what it says', async (t) => {
    const options = 'folderStrategy=Tags,parametersResolution=Example,enableOptionalParameters=false'
    await run('openapi2postmanv2', '-s', 'openapi.json', '-o', 'collection.json', '-O', options)
    const file = join(folder, 'collection.json')
    writeFileSync(file, JSON.stringify(arrange(JSON.parse(readFileSync(file, 'utf8')))))
    const said = await run(
      'newman',
      'run',
      'collection.json',
      '--env-var',
      `baseUrl=${address}`,
      '--color',
      'off',
    )
    t.match(said, /assertions │ +\d\d │ +0 │/)
  })

  t.test('httpYac: the requests of docs/requests.http return what their titles say', async (t) => {
    mkdirSync(join(folder, 'docs'))
    copyFileSync('docs/.httpyac.cjs', join(folder, 'docs/.httpyac.cjs'))
    const text = readFileSync('docs/requests.http', 'utf8')
      .replace(/^@api = .*$/m, `@api = ${address}`)
      .replace(/^@email = .*$/m, '@email = httpyac@example.com')
    writeFileSync(join(folder, 'docs/requests.http'), text)
    const report = await run('httpyac', 'send', 'docs/requests.http', '--all', '--json', '--output', 'short')
    const { requests } = JSON.parse(report) as {
      requests: { title: string; response?: { statusCode: number } }[]
    }
    t.equal(requests.length, text.match(/^### /gm)?.length)
    for (const { title, response } of requests)
      t.equal(response?.statusCode, Number(/: (\d{3})/.exec(title)?.[1]), title)
  })

  t.test('Prism finds nothing in all of these that differs from the document', async (t) => {
    t.ok(log().includes('The upstream call to /me/export has returned 200'))
    t.same(log().match(/^.*(?:violation|✖|⚠).*$/gim), null)
    // It would say so.
    const body = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"email":1}' }
    t.match(await (await fetch(`${address}/register`, body)).json(), { type: /UNPROCESSABLE_ENTITY$/ })
  })

  /** Starts Prism in front of the service: it answers a violation with 500. */
  async function startPrism(upstream: string) {
    const port = await freePort()
    const args = ['proxy', 'openapi.json', upstream, '--errors', '--port', `${port}`]
    const prism = spawn(process.execPath, [tool('prism'), ...args], { cwd: folder, stdio: 'pipe' })
    let said = ''
    const ended = once(prism, 'close')
    t.teardown(async () => {
      prism.kill('SIGKILL')
      await ended
    })
    for (const stream of [prism.stdout, prism.stderr]) stream.on('data', (data) => (said += data))
    while (!said.includes('is listening')) {
      if (prism.exitCode !== null) throw new Error(`Prism did not start: ${said}`)
      await Promise.race([once(prism.stdout, 'data'), ended])
    }
    return { address: `http://127.0.0.1:${port}`, log: () => said }
  }
})
