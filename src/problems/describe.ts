import { Marked } from 'marked'
import type { ProblemCode } from '../http/errors.ts'
import { faultCodes } from '../http/fault-codes.ts'
import { exampleError, problemGuide } from '../http/problem-guide.ts'
import { toProblem } from '../http/problems.ts'

export type Description = ReturnType<typeof describeProblem>

/** Everything that a reader needs to know about a problem, from the tables that make the problem documents. */
export function describeProblem(code: ProblemCode, basePath: string) {
  const { meaning, causes, remedy } = problemGuide[code]
  const example = toProblem(
    exampleError(code),
    { url: `${basePath}/todos`, id: '01a20986-6f0e-73f5-a3ae-22a9c8f15d26' },
    basePath,
  )
  const { type, status, title } = example
  const faults = Object.entries(faultCodes).map(([name, description]) => ({ code: name, description }))
  return {
    ...{ type, code, status, title, description: meaning, causes, remedy },
    ...(code === 'invalid_request' && { fault_codes: faults }),
    example,
  }
}

const marked = new Marked()
const render = (lines: readonly string[]) => marked.parse(lines.join('\n'), { async: false })

const toTable = (faults: Description['fault_codes'] = []) =>
  faults.length === 0
    ? []
    : [
        '## Codes in `errors`\n',
        'Each entry of `errors` has one of these codes. They are stable: decide on them, not on the messages.\n',
        '| code | meaning |\n|---|---|',
        ...faults.map(({ code, description }) => `| \`${code}\` | ${description} |`),
        '',
      ]

export const renderProblem = ({ title, code, status, description, causes, remedy, ...rest }: Description) =>
  render([
    `# ${title}\n`,
    `HTTP ${status} · \`${code}\`\n`,
    `${description}\n`,
    '## Common causes\n',
    ...causes.map((cause) => `- ${cause}`),
    '\n## What to do\n',
    `${remedy}\n`,
    ...toTable(rest.fault_codes),
    '## Example\n',
    `\`\`\`json\n${JSON.stringify(rest.example, null, 2)}\n\`\`\``,
  ])

export const renderProblems = (all: readonly Description[]) =>
  render([
    '# Errors\n',
    'Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a stable `code`. Decide on the code: titles and details may change.\n',
    '| status | code | meaning |\n|---|---|---|',
    ...all.map(({ type, status, code, title }) => `| ${status} | [\`${code}\`](${type}) | ${title} |`),
  ])
