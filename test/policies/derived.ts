import { readFileSync } from 'node:fs'
import type postgres from 'postgres'

// The common case: a table of which each user sees, and with a scope changes, their own rows. When table.txt has no
// line of a table, its policies must follow this pattern, and the lines, rows and rights are derived from it.

const OWN = '(user_id = app.user_id())'
const WRITE = /^\(user_id = app\.user_id\('([\w:]+)'::text\)\)$/
/** The columns of table.txt: the actors that hold each scope. */
const columnsOf: Record<string, number[]> = { 'todos:read': [1], 'todos:write': [2], account: [3, 4] }

interface Table {
  name: string
  /** By command, the scope that its policy asks for; empty for none. */
  commands: Record<string, string>
  /** What an insert must name beside the id, and a value of each. */
  required: Record<string, string>
  /** Foreign keys to other rows of the same user, by column. */
  references: string[]
  columns: string[]
  /** A column that may be updated. */
  updatable: string | undefined
  /** As rights.txt has them. */
  rights: string[]
}

/** Tables that table.txt names. */
const listed = new Set(
  [...read('table.txt').matchAll(/^(?:select from|insert into|update|delete from) ([\w.]+)/gm)].map(
    ([, name]) => name,
  ),
)
function read(name: string) {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

let known: Promise<Table[]> | undefined
/** Remembered from the first database that is asked for them, which nobody has weakened. */
export const derivedTables = (admin: postgres.Sql): Promise<Table[]> => (known ??= findTables(admin))

async function findTables(admin: postgres.Sql): Promise<Table[]> {
  const tables = await admin<{ oid: number; name: string }[]>`
    select c.oid, case nspname when 'public' then '' else nspname || '.' end || relname as name
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind in ('r', 'p') and nspname <> 'information_schema' and nspname !~ '^pg_' order by c.oid`
  return Promise.all(
    tables.filter(({ name }) => !listed.has(name)).map((table) => describe(admin, table.oid, table.name)),
  )
}

/** @throws {Error} when the table does not follow the pattern */
async function describe(admin: postgres.Sql, oid: number, name: string): Promise<Table> {
  const refuse = (why: string): never => {
    throw new Error(
      `${name} ${why}: follow the pattern in test/policies/derived.ts, or write lines into table.txt.`,
    )
  }
  const policies = await admin<{ command: string; role: string; using: string; check: string }[]>`
    select case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
             as command,
           array_to_string(polroles::regrole[], ',') as role,
           coalesce(pg_get_expr(polqual, polrelid), '') as using,
           coalesce(pg_get_expr(polwithcheck, polrelid), '') as check
    from pg_policy where polrelid = ${oid}`
  const commands: Record<string, string> = {}
  for (const { command, role, using, check } of policies) {
    const [, scope] = WRITE.exec(using || check) ?? []
    const follows =
      command === 'select'
        ? using === OWN
        : !!scope &&
          (command === 'insert' || !!using) &&
          (command === 'delete' || (check || using) === (using || check))
    if (role !== 'todo_api' || command === 'all' || command in commands || !follows)
      refuse(`has a policy for ${command} to ${role} that is not the usual one`)
    commands[command] = scope ?? ''
  }
  if (!('select' in commands)) refuse('has no policy for select')

  const columns = await admin<{ name: string; type: string; required: boolean }[]>`
    select attname as name, format_type(atttypid, null) as type, attnotnull and not atthasdef as required
    from pg_attribute where attrelid = ${oid} and attnum > 0 and not attisdropped order by attname`
  const keys = await admin<{ name: string; required: boolean }[]>`
    select attname as name, attnotnull as required
    from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[2]
    where conrelid = ${oid} and contype = 'f' and array_length(conkey, 1) = 2`
  const references = keys.map(({ name }) => name)
  const required = columns.filter((column) => column.required && !['user_id', 'id'].includes(column.name))
  const rights = await listRights(admin, oid, name)
  const [, updatable] = /update \S+ \((?:user_id )?(\w+)/.exec(rights.join('\n')) ?? []
  const allowed = /^todo_api (delete \S+|(select|insert|update) \S+ \([^)]+\))$/
  if (!rights.every((right) => allowed.test(right))) refuse('has a grant that is not on columns')
  if (`${rights.map((right) => right.split(' ')[1]).sort()}` !== `${Object.keys(commands).sort()}`)
    refuse('has grants for other commands than its policies')
  if (/ (in|up)\w+ \S+ \([^)]*\b(user_id|created_at)\b| update \S+ \([^)]*\bid\b/.test(rights.join('\n')))
    refuse('has a grant to write user_id or created_at, or to update id')
  return {
    name,
    commands,
    required: Object.fromEntries(
      required.map((column) => [
        column.name,
        references.includes(column.name) ? ':own' : exampleOf(column.type),
      ]),
    ),
    references,
    columns: columns.map((column) => column.name),
    updatable,
    rights,
  }
}

function exampleOf(type: string): string {
  if (type.endsWith('[]')) return "'{}'"
  if (/int|numeric|double|real/.test(type)) return '1'
  if (/^(timestamp|date|time)/.test(type)) return 'now()'
  const values: Record<string, string> = {
    boolean: 'false',
    uuid: 'gen_random_uuid()',
    jsonb: "'{}'",
    bytea: "'x'",
  }
  return values[type] ?? "'x'"
}

/** The rights of the API's role, which must be the only ones. */
async function listRights(admin: postgres.Sql, oid: number, name: string): Promise<string[]> {
  const rows = await admin<{ line: string }[]>`
    select concat_ws(' ', 'todo_api', lower(privilege_type), ${name.includes('.') ? name : `public.${name}`}::text, columns) as line
    from (
      select privilege_type, null as columns from pg_class, aclexplode(relacl)
      where pg_class.oid = ${oid} and grantee = 'todo_api'::regrole
      union all
      select privilege_type, '(' || string_agg(attname, ' ' order by attname) || ')' from pg_attribute, aclexplode(attacl)
      where attrelid = ${oid} and grantee = 'todo_api'::regrole group by 1
    ) granted order by 1`
  return rows.map(({ line }) => line)
}

/** A row each for Ada (:own) and Bob (:other). */
export const derivedRows = (tables: readonly Table[]): string =>
  tables
    .flatMap(({ name, required }) =>
      [['ada', 'own'] as const, ['bob', 'other'] as const].map(([user, id]) => {
        const values = Object.values(required).map((value) => (value === ':own' ? `:${id}` : value))
        return `;insert into ${name} (${['user_id', 'id', ...Object.keys(required)]}) values (${[`:${user}`, `:${id}`, ...values]})`
      }),
    )
    .join('')

/** Lines as in table.txt. */
export const derivedLines = (tables: readonly Table[]): string[] => tables.flatMap(linesOf)

function linesOf({ name, commands, required, references, columns, updatable }: Table): string[] {
  const refused = 'x x x x x x x x x'
  const none = '0 0 0 0 0 0 0 0 0'
  const only = (scope: string | undefined, hit: string, miss: string) =>
    Array.from({ length: 9 }, (_, index) => (columnsOf[scope ?? '']?.includes(index) ? hit : miss)).join(' ')
  /** Of a command that finds rows: todo_auth has no grant, and the owner has one and sees nothing. */
  const found = (cells: string) => `${cells.slice(0, 14)}x 0 | ${cells}`
  const reading = found('0 1 1 1 1 0 0 0 0')
  const nothing = found(none)
  const line = (statement: string, cells: string) => `${statement} | ${cells}`

  const insert = (values: Record<string, string>) =>
    `insert into ${name} (${Object.keys(values)}) values (${Object.values(values)})`
  const inserted = { id: ':new', ...required }
  const inserting = (hit: string) => {
    const cells = 'insert' in commands ? only(commands.insert, hit, 'x') : refused
    return `${cells} | ${cells}`
  }
  const writing = (command: string, all = commands[command]) =>
    command in commands ? found(only(all, '1', '0')) : `${refused.slice(0, -1)}0 | ${none}`
  const column = updatable ?? columns.find((other) => !['user_id', 'id'].includes(other)) ?? 'id'
  const giveAway = `${refused.slice(0, -1)}0 | ${'update' in commands ? only(commands.update, 'x', '0') : none}`
  return [
    line(`select from ${name} where id = :own`, reading),
    line(`select from ${name} where id = :other`, nothing),
    line(insert(inserted), inserting('1')),
    line(insert({ user_id: ':bob', ...inserted }), `${refused} | ${refused}`),
    ...references.map((reference) => line(insert({ ...inserted, [reference]: ':other' }), inserting('f'))),
    line(`update ${name} set ${column} = ${column} where id = :own`, writing('update')),
    line(
      `update ${name} set ${column} = ${column} where id = :other`,
      'update' in commands ? nothing : writing('update'),
    ),
    line(`update ${name} set user_id = :bob`, giveAway),
    line(`delete from ${name} where id = :own`, writing('delete')),
    line(`delete from ${name} where id = :other`, 'delete' in commands ? nothing : writing('delete')),
    line(`delete from ${name}`, writing('delete')),
  ]
}
