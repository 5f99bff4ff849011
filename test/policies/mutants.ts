import type postgres from 'postgres'

/** One way in which the database's protection could be weaker. */
export interface Mutant {
  name: string
  /** Run by a superuser. */
  apply: string
  /** What it takes back, where it touches the whole server. */
  undo?: string
  /** The table that is tampered with. */
  table?: string
}

/** A condition of a policy: a comparison, or a scope. */
const ATOM =
  /\((?:[^()]|\((?:[^()]|\([^()]*\))*\))* (?:=|<|<@) (?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|app\.has_scope\([^)]*\)/g

/**
 * Every weaker form of an expression: true, each of its conditions true, and the other connective.
 * @param kept conditions that hold all the same: they look at no row, and another expression asks them first
 */
function weaken(expression: string | null, kept = ''): string[] {
  if (expression === null || expression === 'true') return []
  const inner = expression.replace(/^\((.*)\)$/, '$1')
  const parts = [...inner.matchAll(ATOM)]
    .filter(([text]) => !(text.startsWith('app.') && kept.includes(text)))
    .map(({ index, 0: text }) => `${inner.slice(0, index)}true${inner.slice(index + text.length)}`)
  const swapped = / AND | OR /.test(inner)
    ? [inner.replaceAll(' AND ', ' or '), inner.replaceAll(' OR ', ' and ')]
    : []
  return [...new Set(['true', ...parts, ...swapped])].filter((weaker) => weaker !== inner)
}

async function mutatePolicies(sql: postgres.Sql): Promise<Mutant[]> {
  const policies = await sql<
    { name: string; table: string; qual: string | null; with_check: string | null }[]
  >`
    select policyname as name, case schemaname when 'public' then '' else schemaname || '.' end || tablename as table,
           qual, with_check
    from pg_policies order by tablename, policyname`
  return policies.flatMap(({ name, table, qual, with_check }) => [
    { name: `drop the policy ${name}`, table, apply: `drop policy ${name} on ${table}` },
    ...weaken(qual).map((weaker) => ({
      name: `${name} using (${weaker})`,
      table,
      apply: `alter policy ${name} on ${table} using (${weaker})`,
    })),
    ...weaken(with_check, qual ?? '').map((weaker) => ({
      name: `${name} with check (${weaker})`,
      table,
      apply: `alter policy ${name} on ${table} with check (${weaker})`,
    })),
  ])
}

async function mutateTables(sql: postgres.Sql): Promise<Mutant[]> {
  const tables = await sql<{ table: string }[]>`
    select case nspname when 'public' then '' else nspname || '.' end || relname as table
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where relkind = 'r' and nspname in ('public', 'identity') order by 1`
  return tables.flatMap(({ table }) => {
    const change = (what: string): Mutant => ({
      name: `${table}: ${what}`,
      table,
      apply: `alter table ${table} ${what}`,
    })
    const grants = ['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'].flatMap(
      (privilege) =>
        ['todo_api', 'todo_auth', 'public']
          .map((role) => `grant ${privilege} on ${table} to ${role}`)
          .map((grant) => ({ name: grant, table, apply: grant })),
    )
    return [change('no force row level security'), change('disable row level security'), ...grants]
  })
}

/** What bounds a token by the personal token that makes it. */
const bounds: Mutant[] = [
  'drop constraint access_tokens_maker_fkey',
  'drop constraint access_tokens_expires_with_maker',
  'alter maker_id drop default',
  'alter maker_expires_at drop default',
].map((change) => ({
  name: `identity.access_tokens: ${change}`,
  table: 'identity.access_tokens',
  apply: `alter table identity.access_tokens ${change}`,
}))

/** Those grants of a privilege on a table that the role holds already change nothing. */
const isHeld = async (sql: postgres.Sql, { apply }: Mutant): Promise<boolean> => {
  const [, privilege, table, role] = /^grant (\w+) on (\S+) to (\w+)$/.exec(apply) ?? []
  if (!privilege || !table || !role || role === 'public') return false
  const [row] = await sql`select has_table_privilege(${role}, ${table}, ${privilege}) as held`
  return row?.held
}

const roles = (owner: string, login: string): Mutant[] => [
  {
    name: 'the API is a member of the owner',
    apply: `grant ${owner} to ${login}`,
    undo: `revoke ${owner} from ${login}`,
  },
  {
    name: 'the API is a member of todo_auth',
    apply: 'grant todo_auth to todo_api',
    undo: 'revoke todo_auth from todo_api',
  },
  {
    name: 'the API bypasses row-level security',
    apply: `alter role ${login} bypassrls`,
    undo: `alter role ${login} nobypassrls`,
  },
  {
    name: 'the API is a superuser',
    apply: `alter role ${login} superuser`,
    undo: `alter role ${login} nosuperuser`,
  },
  {
    name: 'todo_auth bypasses row-level security',
    apply: 'alter role todo_auth bypassrls',
    undo: 'alter role todo_auth nobypassrls',
  },
]

/** A check of a function, and what is left when it is off. */
const checks: [name: string, check: string | RegExp, off?: string][] = [
  ['authenticate', 's.user_id = claimed_user and '],
  ['authenticate', 's.id = claimed_session and '],
  ['authenticate', ' and s.expires_at > now()'],
  ['authenticate', 't.user_id = claimed_user and '],
  ['authenticate', 't.hash = claimed_token_hash and '],
  ['authenticate', ' and (t.expires_at is null or t.expires_at > now())'],
  ['authenticate', "case when credential is null then '' else claimed_user::text end", 'claimed_user'],
  ['authenticate', "coalesce(array_to_string(scopes, ' '), '')", "'todos:read todos:write account'"],
  ['has_scope', '(scope = ANY (', '(true or scope = ANY ('],
  ['password_salt', '"left"(c.password_hash, 29)', 'c.password_hash'],
  ['password_salt', 'WHERE (', 'WHERE (true OR '],
  ['login', 'c.password_hash = any (login_password_hashes)', 'true'],
  ['login', 'if not known.matches then return null; end if;'],
  ['login', 'cardinality(recent) = 5', 'false'],
  ['login', ' and e.id = recent[1]'],
  ['login', 'where u.email_folded = login_email_folded'],
  ['rehash', '(credentials.user_id = app.user_id())', 'true'],
  ['rehash', '(credentials.password_hash = ANY (rehash.old_password_hashes))', 'true'],
  [
    'refresh',
    't.user_id = token_user and t.hash = token_hash and t.expires_at > now()',
    't.user_id = token_user and t.hash = token_hash',
  ],
  ['refresh', ' and s.expires_at > now()'],
  ['refresh', 's.user_id = token_user and s.id = found_session and s.expires_at > now()', 'true'],
  [
    'refresh',
    'from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;',
    'from identity.refresh_tokens t where t.hash = token_hash; token_user := (select user_id from identity.refresh_tokens t where t.hash = token_hash);',
  ],
  ['refresh', "token.spent_at > clock_timestamp() - interval '10 seconds'", 'true'],
  ['refresh', 'token.spent_at is null', 'true'],
  ['change_account', 'c.user_id = app.user_id() and '],
  ['change_account', 'c.password_hash = any (current_password_hashes) and '],
  ['change_account', " and app.has_scope('account')"],
  ['change_account', 's.user_id = app.user_id() and '],
  ['change_account', ' and s.id is distinct from app.credential_id()'],
  [
    'change_account',
    'set password_hash = new_password_hash where c.user_id = app.user_id()',
    'set password_hash = new_password_hash',
  ],
  ['note_use', 'sessions.user_id = note_use.claimed_user', 'true'],
  ['note_use', 'sessions.id = note_use.claimed_session', 'true'],
  ['note_use', 'access_tokens.user_id = note_use.claimed_user', 'true'],
  ['note_use', 'access_tokens.hash = note_use.claimed_token_hash', 'true'],
  ['remove_expired', 'from identity.sessions where expires_at < now()', 'from identity.sessions'],
  ['schema_version', 'max(', 'min('],
  ['login_age', 'sessions.id = app.credential_id()', 'true'],
  ['maker_id', 'access_tokens.id = app.credential_id()', 'access_tokens.id <> app.credential_id()'],
  ['maker_expires_at', 'access_tokens.id = app.credential_id()', 'access_tokens.id <> app.credential_id()'],
]

async function mutateFunctions(sql: postgres.Sql): Promise<Mutant[]> {
  const functions = await sql<{ name: string; signature: string; definition: string; definer: boolean }[]>`
    select proname as name, oid::regprocedure::text as signature, pg_get_functiondef(oid) as definition, prosecdef as definer
    from pg_proc where pronamespace = 'app'::regnamespace`
  for (const { name, definer } of functions)
    if (definer && name !== 'register' && !checks.some(([checked]) => checked === name))
      throw new Error(`No check of app.${name} is turned off`)
  const off = checks.map(([name, check, left = '']) => {
    const { definition = '' } = functions.find((known) => known.name === name) ?? {}
    const apply = definition.replace(check, left)
    if (apply === definition) throw new Error(`There is no "${check}" in ${definition}`)
    return { name: `app.${name} without: ${String(check).trim()}`, apply }
  })
  const open = functions
    .filter(({ definer }) => definer)
    .flatMap(({ signature }) => [
      `grant execute on function ${signature} to public`,
      `alter function ${signature} set search_path = ''`,
      `alter function ${signature} reset search_path`,
    ])
    .map((change) => ({ name: change, apply: change }))
  return [...off, ...open]
}

/** What PostgreSQL lets every role create unless it is revoked. */
const creation: Mutant[] = [
  {
    name: 'grant temporary on the database to public',
    apply: `do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$`,
  },
  ...[
    'grant create on schema public to public',
    'grant execute on function lo_create(oid) to public',
    'grant execute on function lo_creat(integer) to todo_api',
    'grant execute on function lo_from_bytea(oid, bytea) to public',
  ].map((grant) => ({ name: grant, apply: grant })),
]

/** Every mutant of a migrated database. */
export async function listMutants(sql: postgres.Sql, owner: string, login: string): Promise<Mutant[]> {
  const tables = await mutateTables(sql)
  const held = await Promise.all(tables.map((mutant) => isHeld(sql, mutant)))
  return [
    ...(await mutatePolicies(sql)),
    ...tables.filter((_, index) => !held[index]),
    ...bounds,
    ...roles(owner, login),
    ...creation,
    ...(await mutateFunctions(sql)),
  ]
}
