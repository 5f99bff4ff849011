import { readFileSync, writeFileSync } from 'node:fs'
import { findTarget, withConnection } from './connect.ts'
import { drawTables } from './diagram.ts'

// Prints the schema as a diagram, or with a file's name puts it in the place of that file's diagram.

const DIAGRAM = /(?<=^```mermaid\n)erDiagram\n.*?(?=^```$)/ms

try {
  const [file] = process.argv.slice(2)
  const drawn = await withConnection(findTarget(), drawTables)
  if (!file) process.stdout.write(drawn)
  else {
    const text = readFileSync(file, 'utf8')
    if (!DIAGRAM.test(text))
      throw new Error(`${file} has no diagram: add a \`mermaid\` block that begins with erDiagram.`)
    writeFileSync(
      file,
      text.replace(DIAGRAM, () => drawn),
    )
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
