import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

// What `ts-blank-space/register` does, but what has been blanked once is kept: the suite starts dozens of
// processes, and loading TypeScript takes each of them most of a second.

const cache = new URL('../../node_modules/.cache/blank/', import.meta.url)

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', shortCircuit: true, source: await blankFile(url) }
}

/**
 * The JavaScript of a TypeScript file.
 * @param {string} url
 * @returns {Promise<string>}
 */
export async function blankFile(url) {
  const text = readFileSync(fileURLToPath(url), 'utf8')
  const kept = new URL(`${createHash('sha256').update(text).digest('hex')}.js`, cache)
  try {
    return readFileSync(kept, 'utf8')
  } catch {
    const { default: blank } = await import('ts-blank-space')
    const source = blank(text)
    mkdirSync(cache, { recursive: true })
    // Whole or not at all: other processes are reading.
    const unfinished = new URL(`${kept.href}.${process.pid}`)
    writeFileSync(unfinished, source)
    renameSync(unfinished, kept)
    return source
  }
}

if (isMainThread) register(import.meta.url)
