import { readFileSync } from 'node:fs'

/** The fenced code blocks of a Markdown file, in their order. */
export function readBlocks(file: string): { language: string; text: string }[] {
  const fences = readFileSync(file, 'utf8').matchAll(/^```(\w*)\n(.*?)^```$/gms)
  return [...fences].map(([, language = '', text = '']) => ({ language, text }))
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
