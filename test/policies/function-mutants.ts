import type postgres from 'postgres'
import type { Mutant } from './mutants.ts'

/** A check of a function, and what is left when it is off. */
const checks: [name: string, check: string | RegExp, off?: string][] = [
  ['context', /if sha256\(.* then$/m, 'if true then'],
  ['context', /(convert_to\(seal, 'UTF8'\)\)) = /, '$1 is not distinct from '],
  ['context', 'and k.id::text = key_id', 'order by k.id desc limit 1'],
  ['context', 'required_scope is null or required_scope = any (parts[4:])', 'true'],
  ['context_binding', /\(pg_backend_pid\(\)\)::text \|\| ' '::text/, "''"],
  ['context_binding', /EXTRACT\(epoch FROM now\(\)\)/, '0'],
  ['user_id', /app\.context\([^)]+\)/, 'app.context()'],
  ['has_scope', /app\.context\([^)]+\)/, 'app.context()'],
  ['authenticate', 's.user_id = claimed_user and '],
  ['authenticate', 's.id = claimed_session and '],
  ['authenticate', 's.secret_hash = sha256(secret) and '],
  ['authenticate', ' and s.expires_at > now()'],
  ['authenticate', 't.user_id = claimed_user and '],
  ['authenticate', 't.hash = sha256(secret) and '],
  ['authenticate', ' and (t.expires_at is null or t.expires_at > now())'],
  ['authenticate', /case when credential_id is null then ''\s+else (.*) end/, '$1'],
  ['authenticate', 'logged_in_at, scopes) end', "logged_in_at, '{todos:read,todos:write,account}') end"],
  ['authenticate', 'logged_in_at, scopes) end', 'now(), scopes) end'],
  ['password_salt', 'left(c.password_hash, 29)', 'c.password_hash'],
  ['password_salt', 'where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded'],
  ['login', 'c.password_hash = login_password_hash', 'true'],
  ['login', 'if not known.matches then return null; end if;'],
  ['login', 'cardinality(recent) = 5', 'false'],
  ['login', ' and e.id = recent[1]'],
  ['login', 'where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded'],
  ['rehash', /\(credentials\.user_id = app\.user_id\([^)]*\)\)/, 'true'],
  ['rehash', /app\.user_id\([^)]+\)/, 'app.user_id()'],
  ['rehash', '(credentials.password_hash = rehash.old_password_hash)', 'true'],
  ['rehash', /app\.logged_in_at\(\) > \(now\(\) - '00:01:00'::interval\)/, 'true'],
  [
    'refresh',
    't.user_id = token_user and t.hash = token_hash and t.expires_at > now()',
    't.user_id = token_user and t.hash = token_hash',
  ],
  ['refresh', /\s+and s\.expires_at > now\(\)/],
  ['refresh', 'and s.secret_hash = sha256(session_secret)'],
  ['refresh', 's.user_id = token_user and s.id = found_session and '],
  [
    'refresh',
    'from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;',
    'from identity.refresh_tokens t where t.hash = token_hash; token_user := (select user_id from identity.refresh_tokens t where t.hash = token_hash);',
  ],
  ['refresh', "token.spent_at > clock_timestamp() - interval '10 seconds'", 'true'],
  ['refresh', 'token.spent_at is null', 'true'],
  ['change_account', "c.user_id = app.user_id('account') and "],
  ['change_account', "app.user_id('account')", 'app.user_id()'],
  ['change_account', ' and c.password_hash = current_password_hash'],
  ['change_account', 's.user_id = app.user_id() and '],
  ['change_account', ' and s.id is distinct from app.credential_id()'],
  [
    'change_account',
    'set password_hash = new_password_hash where c.user_id = app.user_id()',
    'set password_hash = new_password_hash',
  ],
  ['note_use', '(sessions.user_id = app.user_id())', 'true'],
  ['note_use', '(access_tokens.user_id = app.user_id())', 'true'],
  ['note_use', '(sessions.id = app.credential_id())', 'true'],
  ['note_use', '(access_tokens.id = app.credential_id())', 'true'],
  ['maker_id', 'where id = app.credential_id()', 'where id <> app.credential_id()'],
  ['maker_expires_at', 'where id = app.credential_id()', 'where id <> app.credential_id()'],
  ['remove_expired', 'from identity.sessions where expires_at < now()', 'from identity.sessions'],
  ['sync_state', /ON \(\(?h\.epoch = e\.epoch\)?\)/, 'ON true'],
  ['delete_content', "app.user_id('account')", 'app.user_id()'],
  ['delete_content', / or \(app\.logged_in_at\(\).* is not true/],
  ['delete_rows', ' where user_id = $1'],
  ['remove_orphans', 'not exists (select from public.users u where u.id = gone)', 'true'],
  ['remove_orphans', 'perform identity.set_context(own_context)', 'perform own_context'],
  ['schema_version', 'max(', 'min('],
]
/**
 * These check nothing that a user could get around: what the removals find is decided by policies.
 * test/policies/rotation.test.ts holds the last two.
 */
const unchecked = ['register', 'remove_trash', 'remove_changes', 'has_context_key', 'rotate_context_key']

/** The fields of a context, left out of its seal: what a pattern finds in them, and what stays. */
const fields: [name: string, pattern: string, left: string][] = [
  ['user', String.raw`^\S+`, ''],
  ['credential', String.raw`^(\S+) \S+`, String.raw`\1`],
  ['login time', String.raw`^(\S+ \S+) \S+`, String.raw`\1`],
  ['scopes', String.raw`^(\S+ \S+ \S+).*`, String.raw`\1`],
]

interface Definition {
  name: string
  signature: string
  definition: string
  definer: boolean
}

/** Each check of a function turned off, each field left out of the seal, each function opened to everyone. */
export async function mutateFunctions(sql: postgres.Sql): Promise<Mutant[]> {
  const functions = await sql<Definition[]>`
    select proname as name, oid::regprocedure::text as signature, pg_get_functiondef(oid) as definition, prosecdef as definer
    from pg_proc where pronamespace in ('app'::regnamespace, 'identity'::regnamespace)`
  for (const { name, definer } of functions)
    if (definer && !unchecked.includes(name) && !checks.some(([checked]) => checked === name))
      throw new Error(`No check of app.${name} is turned off`)
  const change = (name: string, check: string | RegExp, left: string) => {
    const { definition = '' } = functions.find((known) => known.name === name) ?? {}
    const changed = definition.replace(check, left)
    if (changed === definition) throw new Error(`There is no "${check}" in ${definition}`)
    return changed
  }
  const off = checks.map(([name, check, left = '']) => ({
    name: `${name} without: ${String(check).trim()}${left && `, but ${left}`}`,
    apply: change(name, check, left),
  }))
  const unsealed = fields.map(([name, pattern, left]) => ({
    name: `the seal without: ${name}`,
    apply: ['sealed_context', 'context']
      .map((name) =>
        change(name, "' ' || fields)", `' ' || regexp_replace(fields, '${pattern}', '${left}'))`),
      )
      .join(';'),
  }))
  const opened = functions.flatMap(({ signature, definer }) => [
    ...(definer || signature.startsWith('identity.')
      ? [`grant execute on function ${signature} to public`]
      : []),
    ...(definer
      ? [`alter function ${signature} set search_path = ''`, `alter function ${signature} reset search_path`]
      : []),
  ])
  return [...off, ...unsealed, ...opened.map((change) => ({ name: change, apply: change }))]
}
