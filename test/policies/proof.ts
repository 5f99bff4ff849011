// Proves of a policy's expression that it holds only for rows of the transaction's user. Sound, and not complete: an
// expression that it does not understand is refused.

/** What a policy may call: none of these looks at a table. */
const functions = [
  'app.user_id',
  'app.credential_id',
  'app.scopes',
  'app.has_scope',
  'app.logged_in_at',
  'now',
]

/**
 * Why an expression, as PostgreSQL prints it, does not imply that the owner's column is the transaction's user;
 * undefined when it does. AND and OR of PostgreSQL's three-valued logic are true only when one, or every, arm can be
 * shown to be true only then; and a comparison with null, the user of no transaction, is never true.
 */
export function refute(expression: string | null, owner: string): string | undefined {
  if (expression === null) return 'there is no condition'
  // Literals are all harmless, and could hold anything.
  const bare = expression.replaceAll(/'(?:[^']|'')*'/g, "''")
  if (/\bselect\b/i.test(bare)) return 'it holds a sub-select'
  if (/\bcase\b/i.test(bare)) return 'it holds a case'
  const called = [...bare.matchAll(/([\w."]+)\s*\(/g)].map(([, name = '']) => name)
  const unknown = called.find((name) => !functions.includes(name) && !/^(and|or)$/i.test(name))
  if (unknown) return `it calls ${unknown}`
  return implies(bare, owner) ? undefined : `not every arm demands that ${owner} = app.user_id()`
}

function implies(expression: string, owner: string): boolean {
  const arms = split(expression, ' OR ')
  if (arms.length > 1) return arms.every((arm) => implies(arm, owner))
  const conjuncts = split(expression, ' AND ')
  if (conjuncts.length > 1) return conjuncts.some((conjunct) => implies(conjunct, owner))
  const inner = unwrap(expression)
  if (inner !== expression) return implies(inner, owner)
  return new RegExp(`^${owner} = app\\.user_id\\((''::text)?\\)$`).test(expression)
}

/** The parts of an expression between operators that are in no parentheses. */
function split(expression: string, operator: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < expression.length; at++) {
    if (expression[at] === '(') depth++
    if (expression[at] === ')') depth--
    if (depth > 0 || !expression.startsWith(operator, at)) continue
    parts.push(expression.slice(start, at))
    start = at + operator.length
  }
  return [...parts, expression.slice(start)]
}

/** Without the parentheses around all of it. */
function unwrap(expression: string): string {
  let depth = 0
  for (let at = 0; at < expression.length; at++) {
    if (expression[at] === '(') depth++
    if (expression[at] === ')' && --depth === 0 && at < expression.length - 1) return expression
  }
  return expression.startsWith('(') ? expression.slice(1, -1) : expression
}
