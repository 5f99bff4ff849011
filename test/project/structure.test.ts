import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

// The rules that keep SQL and code in their place. .biome.json has those about imports and the length of files.

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const path = join('src', name)
    return {
      path,
      text: readFileSync(path, 'utf8'),
      isSql: /\/(sql|change-log|list|sync|trash)\.ts$/.test(path),
    }
  })
t.ok(sources.length > 20)

t.test('keeps SQL out of routes', async (t) => {
  for (const { path, text } of sources.filter(({ path }) => path.endsWith('/routes.ts'))) {
    t.notMatch(text, /\b(select|insert into|update|delete from|begin|commit)\b[^'"]*`/, path)
    t.notMatch(text, /from '(pg|postgres)'/, path)
  }
})

t.test('compares user_id only to route statements to a shard: policies do the rest', async (t) => {
  const routing = /fragment`user_id = \$\{shard\}`/
  t.equal(sources.filter(({ text }) => routing.test(text)).length, 1)
  for (const { path, text, isSql } of sources) {
    const rest = text.replace(routing, '')
    t.notMatch(rest, isSql ? /user_id\s*(=|<|>|in\b|is\b|between\b)/ : /user_id\s*[!=]==?/, path)
    t.notMatch(rest, /user_id = \$/, path)
  }
})

t.test('runs no text as code, makes no HTML of text, and starts no program', async (t) => {
  const scripts = readdirSync('src/openapi/explorer').filter((name) => name.endsWith('.js'))
  t.ok(scripts.length > 5)
  const served = scripts.map((name) => ({
    path: name,
    text: readFileSync(`src/openapi/explorer/${name}`, 'utf8'),
  }))
  for (const { path, text } of [...sources, ...served])
    t.notMatch(
      text,
      /\beval\(|new Function|node:vm|child_process|(inner|outer)HTML|insertAdjacentHTML|document\.write/,
      path,
    )
})

t.test('hashes with SHA-256 and SHA-384 only, and takes secrets from a strong generator', async (t) => {
  const calls = sources.flatMap(({ text }) => [...text.matchAll(/create(?:Hash|Hmac)\('?(\w+)/g)])
  t.ok(calls.length > 5)
  for (const [call, algorithm] of calls) t.match(algorithm, /^sha(256|384)$/, call)
  for (const { path, text } of sources) t.notMatch(text, 'Math.random', path)
})
