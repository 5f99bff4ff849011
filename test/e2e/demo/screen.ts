import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual, styleText } from 'node:util'

export type Screen = ReturnType<typeof createScreen>
type Style = Parameters<typeof styleText>[0]

/** How long a person looks at what was just printed, in milliseconds. */
const READING = { title: 900, note: 900, command: 250, answer: 400, claim: 700 }

const indent = (text: string) => text.trimEnd().replaceAll(/^/gm, '  ')

/**
 * Prints the story: in colours and at a reader's pace on a terminal, else plain and at once.
 * @param signal ends the story at the next line
 */
export function createScreen(signal: AbortSignal) {
  const isTerminal = process.stdout.isTTY
  const isColoured = isTerminal && process.stdout.hasColors()
  const paint = (style: Style, text: string) => (isColoured ? styleText(style, text) : text)
  let titles = 0

  async function print(text: string, ms = 0) {
    process.stdout.write(`${text}\n`)
    await setTimeout(isTerminal ? ms : 0, undefined, { signal })
  }

  /** @throws {Error} when an answer is not what the story says */
  function demand(what: string, actual: unknown, expected: unknown): void {
    if (isDeepStrictEqual(actual, expected)) return
    const [right, wrong] = [expected, actual].map((value) => JSON.stringify(value))
    throw new Error(`✗ Not so: ${what}\n  expected ${right}\n  got      ${wrong}`)
  }

  return {
    demand,
    begin: (text: string) => print(paint('bold', text)),
    title: (text: string) => print(`\n${paint('bold', `${++titles}. ${text}`)}\n`, READING.title),
    note: (text: string) => print(paint('dim', indent(text)), READING.note),
    command(prompt: '$ ' | 'todo=> ', text: string) {
      const next = prompt === '$ ' ? '> ' : 'todo-> '
      const lines = text
        .split('\n')
        .map((line, n) => `  ${paint('dim', n ? next : prompt)}${paint('cyan', line)}`)
      return print(lines.join('\n'), READING.command)
    },
    answer: (style: Style, head: string, body = '') =>
      print(`${paint(style, indent(head))}${body && `\n${indent(body)}`}`, READING.answer),
    /** Prints a claim once it is seen to be true. */
    async check(claim: string, actual: unknown, expected: unknown = true) {
      demand(claim, actual, expected)
      await print(`  ${paint('green', `✓ ${claim}`)}`, READING.claim)
    },
    end: (text: string) => print(`\n${paint(['bold', 'green'], text)}`),
  }
}
