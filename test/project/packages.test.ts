import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'

// What we take from others, read from the lock file; and what we call ourselves.

interface Package {
  version: string
  integrity?: string
  license?: string
  dev?: boolean
  optional?: boolean
  hasInstallScript?: boolean
}
const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
const about = readJson('package.json')
const { '': root, ...locked } = readJson('package-lock.json').packages as Record<string, Package>
const packages = Object.entries(locked).map(([path, info]) => ({
  name: path.replace(/.*node_modules\//, ''),
  ...info,
}))
const served = packages.filter(({ dev }) => !dev)
t.ok(served.length > 50)

/** Ours is MIT, and none of these asks more of whoever runs it than to keep its notice. */
const licences = [
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'Unlicense',
]

t.test('serves with packages of known licences alone', async (t) => {
  for (const { name, license } of served) t.ok(licences.includes(`${license}`), `${name}: ${license}`)
})

t.test('locks every package by its content', async (t) => {
  for (const { name, integrity } of packages) t.match(integrity, /^sha512-/, name)
})

t.test('lets only those packages run a script when they are installed that package.json names', async (t) => {
  const names = packages.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name)
  t.same(Object.keys(about.allowScripts), names.sort())
  t.same(
    served.filter(({ hasInstallScript }) => hasInstallScript),
    [],
    'and none of them serves',
  )
})

// Not with `--omit dev`: that omits too what serves and is needed for development as well, as pg is.
t.test('writes a bill of materials that marks what is for development alone', async (t) => {
  const [command = '', ...args] = about.scripts.sbom.split(' ')
  const { stdout } = await promisify(execFile)(command, args, { maxBuffer: 1e7 })
  const bill = JSON.parse(stdout)
  t.match(bill, { bomFormat: 'CycloneDX', metadata: { component: { version: about.version } } })
  const id = ({ name, version }: { name: string; version: string }) => `${name}@${version}`
  const listed = bill.components.filter(
    ({ properties }: { properties: { name: string }[] }) =>
      !properties.some(({ name }) => name === 'cdx:npm:package:development'),
  )
  t.same(listed.map(id).sort(), [...new Set(served.map(id))].sort())
})

t.test('is one version everywhere', async (t) => {
  const [, newest] =
    /^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$/m.exec(readFileSync('docs/CHANGELOG.md', 'utf8')) ?? []
  t.equal(newest, about.version)
  t.equal(root?.version, about.version)
})
