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
  ['login', 'if not known.matches then', 'if false then'],
  ['login', /if exists \(select from identity\.locked_users .* then/, 'if false then'],
  ['login', 'if found then', 'if false then'],
  ['login', ' and t.confirmed_at is not null'],
  ['login', 'factor.failures >= 5', 'false'],
  ['login', 'if code_step is null and recovery_code is null then', 'if false then'],
  ['login', 'code_step > factor.last_step and '],
  ['login', ' and sha256(code_proof) = factor.proof_hash'],
  ['login', 'r.user_id = known.id and '],
  ['login', ' and r.hash = sha256(recovery_code)'],
  ['login', 'offset 100', 'offset 1000'],
  ['login', 'cardinality(recent) = 5', 'false'],
  ['login', ' and e.id = recent[1]'],
  ['login', 'where coalesce(u.email_folded, lower(u.email collate "C")) = login_email_folded'],
  [
    'authenticate',
    /\s+and not exists \(select from identity\.locked_users l where l\.user_id = s\.user_id\)/,
  ],
  [
    'authenticate',
    /\s+and not exists \(select from identity\.locked_users l where l\.user_id = t\.user_id\)/,
  ],
  ['start_totp', "app.logged_in_at() > (now() - '00:10:00'::interval)", 'true'],
  ['start_totp', 't.confirmed_at IS NULL', 'true'],
  ['confirm_totp', "t.user_id = app.user_id('account') and "],
  ['confirm_totp', 't.confirmed_at is null and '],
  ['confirm_totp', ' and t.proof_hash = sha256(code_proof)'],
  ['confirm_totp', /\s+and app\.logged_in_at\(\) > now\(\) - interval '10 minutes'/],
  ['confirm_totp', 's.user_id = app.user_id() and '],
  ['confirm_totp', ' and s.id is distinct from app.credential_id()'],
  ['confirm_totp', 'recovery_hashes[1:10]', 'recovery_hashes'],
  ['remove_totp', "(app.logged_in_at() > now() - interval '10 minutes')", '(true)'],
  ['remove_totp', "c.user_id = app.user_id('account') and "],
  ['remove_totp', ' and c.password_hash = current_password_hash'],
  ['remove_totp', 't.user_id = app.user_id() and '],
  ['remove_totp', ' and t.confirmed_at is not null'],
  ['notify_token_created', "if app.user_id('account') is null then", 'if false then'],
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
  ['refresh', ' and s.created_at > now() - make_interval(secs => session_max_seconds)'],
  ['refresh', /\s+and not exists \(select from identity\.locked_users l where l\.user_id = s\.user_id\)/],
  ['refresh', /least\((.*), logged_in_at \+ .*\);/, '$1;'],
  ['refresh', 'and s.secret_hash = sha256(session_secret)'],
  ['refresh', 's.user_id = token_user and s.id = found_session and '],
  [
    'refresh',
    'from identity.refresh_tokens t where t.user_id = token_user and t.hash = token_hash;',
    'from identity.refresh_tokens t where t.hash = token_hash; token_user := (select user_id from identity.refresh_tokens t where t.hash = token_hash);',
  ],
  ['refresh', "token.spent_at > clock_timestamp() - interval '10 seconds'", 'true'],
  ['refresh', 'token.spent_at is null', 'true'],
  ['change_account', 'c.user_id = me and '],
  ['change_account', "app.user_id('account')", 'app.user_id()'],
  ['change_account', 'if found and not hidden then', 'if found then'],
  ['change_account', ' and c.password_hash = current_password_hash'],
  ['change_account', 's.user_id = me and '],
  ['change_account', ' and s.id is distinct from app.credential_id()'],
  [
    'change_account',
    'set password_hash = new_password_hash where c.user_id = me',
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
  ['claim_mails', 'perform identity.require_mail_sender(sender);'],
  ['claim_mails', 'if known = sha512(previous_sender) and previous_sender <> sender then', 'if true then'],
  ['claim_mails', 'm.next_attempt_at <= now() and '],
  ['claim_mails', ' and m.expires_at > now()'],
  ['claim_mails', 'm.user_id = due.user_id and m.id = due.id', 'm.user_id = due.user_id'],
  ['finish_mail', 'perform identity.require_mail_sender(sender);'],
  ['finish_mail', ' and m.id = mail_id'],
  ['finish_mail', "and (m.attempts = attempt or outcome = 'sent')"],
  ['claim_mails', 'coalesce(u.email_folded, lower(u.email collate "C")) = r.email_folded', 'true'],
  ['remove_old_mails', '(t.expires_at < now())', 'true'],
  ['add_mail_token', 'perform identity.require_mail_sender(sender);'],
  ['add_mail_token', 'm.user_id = mail_user and '],
  ['add_mail_token', ' and m.attempts = attempt'],
  ['require_mail_sender', ' and k.inner_block = sha512(sender)'],
  ['register', 'if hidden then', 'if true then'],
  ['send_verification', "app.user_id('account')", 'app.user_id()'],
  ['find_mail_token', '(t.user_id = find_mail_token.token_user)', 'true'],
  ['find_mail_token', '(t.hash = sha256(find_mail_token.token_secret))', 'true'],
  ['find_mail_token', '(t.purpose = find_mail_token.token_purpose)', 'true'],
  ['find_mail_token', '(t.expires_at > now())', 'true'],
  ['find_reset_email', '(u.id = t.user_id)', 'true'],
  ['reset_password', 'if token is null then return false; end if;'],
  [
    'reset_password',
    'set password_hash = new_password_hash where c.user_id = token_user',
    'set password_hash = new_password_hash',
  ],
  [
    'reset_password',
    'delete from identity.sessions s where s.user_id = token_user',
    'delete from identity.sessions s',
  ],
  ['reset_password', 'delete from identity.sessions s where s.user_id = token_user', 'perform true'],
  ['reset_password', 'if revoke_tokens then', 'if true then'],
  [
    'reset_password',
    'delete from identity.access_tokens t where t.user_id = token_user',
    'delete from identity.access_tokens t',
  ],
  ['reset_password', 'u.id = token_user and u.email = token.email and '],
  ['reset_password', ' and u.email = token.email'],
  ['verify_email', 'if token is null then return false; end if;'],
  [
    'verify_email',
    /email_folded = token.email_folded\n {2}where u.id = token_user;/,
    'email_folded = token.email_folded;',
  ],
  ['undo_email_change', 'if token is null then return false; end if;'],
  ['undo_email_change', ' where s.user_id = token_user'],
  ['undo_email_change', 't.created_at >= token.created_at', 'true'],
  ['require_verified_email', ' and u.email_verified_at is not null'],
  [
    'remove_expired',
    "from identity.access_tokens where expires_at < now() - interval '30 days'",
    'from identity.access_tokens',
  ],
  ['schema_version', 'max(', 'min('],
]
/**
 * These check nothing that a user could get around: what the removals find is decided by policies.
 * test/policies/rotation.test.ts holds the two about keys.
 */
const unchecked = [
  'has_context_key',
  'rotate_context_key',
  'count_mails',
  'request_password_reset',
  'remove_trash',
  'remove_changes',
  // test/e2e/db/users.test.ts holds these; only the owner of the database may call them.
  'operate_on_user',
  'show_user',
]

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
