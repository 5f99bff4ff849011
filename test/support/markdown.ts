import { readFileSync } from 'node:fs'

export interface Block {
  language: string
  /** What follows the language: the file that the block belongs to. */
  file: string
  text: string
}
/** The fenced code blocks of a Markdown file, in their order. */
export function readBlocks(file: string): Block[] {
  const fences = readFileSync(file, 'utf8').matchAll(/^```(\w*) ?([^\n]*)\n(.*?)^```$/gms)
  return [...fences].map(([, language = '', file = '', text = '']) => ({ language, file, text }))
}

/** Whether a text is as a document shows it, where a line of `…` stands for any lines, and one within a line for any text. */
export function isShownAs(actual: string, shown: string): boolean {
  const pattern = shown
    .trimEnd()
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/^…$/gm, '[^]*')
    .replaceAll('…', '.*')
  return new RegExp(`^${pattern}$`).test(actual.trimEnd())
}
