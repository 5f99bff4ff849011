import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'

// The rules of the house that neither the compiler nor Biome holds. Biome refuses cycles and barrels.

const paths = ['src', 'db'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
)
const files = paths
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(path, 'utf8')
    const imports = [...text.matchAll(/^(?:import|export)\b[^'`]*? from '([^']+)'/gms)].map(
      ([, name = '']) => (name.startsWith('.') ? relative('', join(dirname(path), name)) : name),
    )
    const [, feature] = /^src\/(?!(?:database|http|credentials|openapi)\/)(\w+)\//.exec(path) ?? []
    return { path, text, imports, feature, name: path.replace(/.*\//, '') }
  })
/** Files of statements. */
const sql = ['sql.ts', 'list.ts']
const sources = files.filter(({ path }) => path.startsWith('src/'))

t.ok(sources.length > 20)

t.test('has no file over 200 lines', async (t) => {
  for (const { path, text } of files) t.ok(text.split('\n').length <= 201, path)
})

t.test('lets a feature import shared code, and of another feature its schemas alone', async (t) => {
  const shared = /^src\/(config\.ts|http\/|credentials\/|database\/|about\.ts|\w+\/schema\.ts$)/
  for (const { path, feature, imports } of sources.filter((file) => file.feature))
    for (const name of imports.filter(
      (name) => name.startsWith('src/') && !name.startsWith(`src/${feature}/`),
    ))
      t.match(name, shared, path)
})

t.test('lets shared code import no feature', async (t) => {
  for (const { path, imports } of sources.filter(({ path }) =>
    /^src\/(database|http|credentials|openapi\/(?!write))/.test(path),
  ))
    for (const name of imports.filter((name) => name.startsWith('src/')))
      t.match(name, /^src\/(config|about|\w+\/.*)\.ts$/, path)
  for (const { path, imports } of sources.filter(({ path }) =>
    /^src\/(database|http|credentials)/.test(path),
  ))
    for (const name of imports.filter((name) => name.startsWith('src/')))
      t.match(name, /^src\/(config\.ts|database\/|http\/|credentials\/)/, path)
})

t.test('keeps SQL out of routes, and Fastify out of SQL', async (t) => {
  for (const { path, text, imports } of sources.filter(({ name }) => name === 'routes.ts')) {
    t.notMatch(text, /\b(select|insert into|update|delete from|begin|commit)\b[^'"]*`/, path)
    t.notOk(imports.includes('pg'), path)
  }
  for (const { path, imports } of sources.filter(({ name }) => sql.includes(name)))
    for (const name of imports)
      t.match(name, /^src\/(database\/transaction|http\/schemas|http\/conditional|\w+\/schema)\.ts$/, path)
})

t.test('compares user_id nowhere but in the routing of a sharded database: the policies do', async (t) => {
  const routing = /fragment`user_id = \$\{shard\}`/
  t.equal(files.filter(({ text }) => routing.test(text)).length, 1)
  for (const { path, text, name } of sources) {
    const rest = text.replace(routing, '')
    t.notMatch(rest, sql.includes(name) ? /user_id\s*(=|<|>|in\b|is\b|between\b)/ : /user_id\s*[!=]==?/, path)
    t.notMatch(rest, /user_id = \$/, path)
  }
})
