import { createHash } from 'node:crypto'
import type postgres from 'postgres'
import { derivedRows, derivedTables } from './derived.ts'

const uuid = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const secret = (n: number) => Buffer.alloc(32, n)
/** Two users with a row each in every table, and rows of the first that have expired; and a locked one. */
export const ids = {
  ada: uuid(1),
  bob: uuid(2),
  gone: uuid(3),
  /** Locked by the operator. Her session and her token have her own id. */
  eve: uuid(4),
  /** The session, and also the personal access token, that Ada is authenticated with. Bob has two of the same id. */
  used: uuid(10),
  /** Another session of hers, of a login an hour ago; another token; an event; a todo. */
  own: uuid(11),
  other: uuid(12),
  old: uuid(13),
  /** A token of hers that expired an hour ago; the old one made it. */
  expired: uuid(14),
  /** Events of hers: a failed login just now, and one two hours ago. */
  failed: uuid(15),
  stale: uuid(16),
  new: uuid(20),
}
/** Of the tokens; and the one that all sessions share. */
export const secrets = {
  own: secret(11),
  other: secret(12),
  old: secret(13),
  spent: secret(14),
  expired: secret(15),
  used: secret(16),
  session: secret(17),
  eve: secret(18),
  new: secret(20),
}
export const password = `$2b$04$${'a'.repeat(53)}`

const bytea = (bytes: Buffer) => `'\\x${bytes.toString('hex')}'::bytea`
const hour = "interval '1 hour'"
/** The rows, in this order. */
const rows = `
insert into users (id, email, email_folded) values (:ada, 'ada@example.com', 'ada@example.com'),
  (:bob, 'bob@example.com', 'bob@example.com'), (:gone, 'gone@example.com', 'gone@example.com'),
  (:eve, 'eve@example.com', 'eve@example.com');
insert into identity.credentials values (:ada, :password), (:bob, :password), (:gone, :password), (:eve, :password);
insert into identity.sessions (user_id, id, secret_hash, scopes, created_at, last_used_at, expires_at) values
  (:ada, :used, :#session, '{todos:read,todos:write,account}', now(), now() - ${hour}, now() + ${hour}),
  (:ada, :own, :#session, '{todos:read}', now() - ${hour}, now() - ${hour}, now() + ${hour}),
  (:ada, :old, :#session, '{todos:read}', now() - ${hour}, now() - ${hour}, now() - ${hour}),
  (:bob, :other, :#session, '{todos:read}', now() - ${hour}, now() - ${hour}, now() + ${hour}),
  (:bob, :used, :#new, '{todos:read}', now() - ${hour}, now() - ${hour}, now() + ${hour}),
  (:eve, :eve, :#session, '{account}', now(), now() - ${hour}, now() + ${hour}),
  (:gone, :gone, :#session, '{todos:read}', now(), now(), now() + ${hour});
insert into identity.refresh_tokens (user_id, hash, session_id, expires_at, spent_at, successor_seed) values
  (:ada, :#own, :used, now() + ${hour}, null, null),
  (:ada, :#spent, :own, now() + ${hour}, now() - ${hour}, 'seed'),
  (:ada, :#old, :own, now() - ${hour}, null, null),
  (:ada, :#expired, :old, now() + ${hour}, null, null),
  (:bob, :#other, :other, now() + ${hour}, null, null),
  (:eve, :#eve, :eve, now() + ${hour}, null, null);
insert into identity.access_tokens (user_id, id, name, hash, scopes, created_at, expires_at, maker_id) values
  (:ada, :used, 'used', :#used, '{account}', now(), null, null),
  (:ada, :own, 'own', :#own, '{todos:read}', now(), now() + ${hour}, null),
  (:ada, :old, 'old', :#old, '{todos:read}', now() - interval '1 year', now() - interval '31 days', null),
  (:ada, :expired, 'expired', :#expired, '{todos:read}', now() - interval '1 year', now() - ${hour}, :old),
  (:bob, :other, 'other', :#other, '{todos:write}', now(), null, null),
  (:bob, :used, 'used', :#new, '{todos:read}', now(), null, null),
  (:eve, :eve, 'eve', :#eve, '{account}', now(), null, null);
insert into identity.locked_users (user_id) values (:eve);
insert into identity.totp_seeds (user_id, sealed_seed, proof_hash, confirmed_at, last_step) values
  (:ada, repeat('a', 48)::bytea, :#own, null, 0), (:bob, repeat('b', 48)::bytea, :#own, now(), 100);
insert into identity.recovery_codes (user_id, hash) values (:ada, :#own), (:bob, :#other);
insert into identity.events (user_id, id, kind, created_at) values
  (:ada, :own, 'login', now()), (:ada, :old, 'login', now() - interval '2 years'), (:bob, :other, 'login', now()),
  (:ada, :failed, 'login_failed', now()), (:ada, :stale, 'login_failed', now() - 2 * ${hour});
insert into identity.secret_keys (purpose, id, inner_block, outer_block) values ('mail_sender', 1, sha512(:$used), sha512(:$used));
insert into identity.mails (user_id, id, kind, recipient, recipient_folded, params, created_at, expires_at, next_attempt_at) values
  (:ada, :own, 'token_created', 'ada@example.com', 'ada@example.com', '{}', now(), now() + ${hour}, now()),
  (:ada, :stale, 'reset_password', 'ada@example.com', 'ada@example.com', '{}', now() - 2 * ${hour}, now() - ${hour}, now()),
  (:ada, :expired, 'token_created', 'ada@example.com', 'ada@example.com', '{}', now(), now() + ${hour}, now() + ${hour}),
  (:ada, :failed, 'token_created', 'ada@example.com', 'ada@example.com', '{}', now(), now() + ${hour}, null),
  (:ada, :old, 'token_created', 'ada@example.com', 'ada@example.com', '{}', now() - 25 * ${hour}, now() - ${hour}, now()),
  (:bob, :other, 'token_created', 'bob@example.com', 'bob@example.com', '{}', now(), now() + ${hour}, now() + ${hour});
insert into identity.mail_tokens (user_id, hash, purpose, email, email_folded, created_at, expires_at) values
  (:ada, :#own, 'reset_password', 'ada@example.com', 'ada@example.com', now(), now() + ${hour}),
  (:ada, :#old, 'reset_password', 'ada@example.com', 'ada@example.com', now(), now() - ${hour}),
  (:ada, :#used, 'verify_email', 'ada@example.com', 'ada@example.com', now(), now() + ${hour}),
  (:ada, :#expired, 'undo_email', 'earlier@example.com', 'earlier@example.com', now() - ${hour}, now() + ${hour}),
  (:ada, :#spent, 'undo_email', 'earliest@example.com', 'earliest@example.com', now() - 2 * ${hour}, now() + ${hour}),
  (:bob, :#other, 'verify_email', 'new@example.com', 'new@example.com', now(), now() + ${hour}),
  (:bob, :#spent, 'reset_password', '', '', now(), now() + ${hour});
insert into identity.mail_requests (id, kind, email_folded) values
  (:new, 'reset_password', 'ada@example.com'), (:gone, 'reset_password', 'nobody@example.com');
insert into todos (user_id, id, title, folded_title) values (:ada, :own, 'common hers', 'common hers'), (:bob, :other, 'common his', 'common his');
insert into trashed_todos (user_id, id, title, folded_title, completed, priority, tags, position, version, created_at, updated_at, expires_at)
  select u, i, 'trashed', 'trashed', false, 0, '{}', 0, 3, now(), now(), now() + after
  from (values (:ada::uuid, :used::uuid, ${hour}), (:ada, :old, - ${hour}), (:bob, :gone, ${hour})) as row (u, i, after);
insert into todo_changes (user_id, todo_id, version, changed_at) values
  (:ada, :own, 1, now()), (:ada, :old, 1, now() - interval '31 days'), (:bob, :other, 1, now());
insert into sync_horizons values ('another', '1');
insert into idempotency_keys (user_id, key, fingerprint, expires_at) values
  (:ada, 'own', :#own, now() + ${hour}), (:ada, 'old', :#own, now() - ${hour}), (:bob, 'other', :#own, now() + ${hour});
delete from users where id = :gone;
insert into identity.deleted_users values (:gone, now() - 2 * ${hour}), (:bob, now() - 2 * ${hour})`

/** Fills in ids, secrets (`:$`), their hashes (`:#`) and the password hash where a test's statement names them. */
export const fill = (statement: string): string =>
  statement
    .replace(/:#(\w+)/g, (_, name: keyof typeof secrets) =>
      bytea(createHash('sha256').update(secrets[name]).digest()),
    )
    .replace(/:\$(\w+)/g, (_, name: keyof typeof secrets) => bytea(secrets[name]))
    .replace(/(?<!:):([a-z]+)\b/g, (whole, name: keyof typeof ids) =>
      ids[name] ? `'${ids[name]}'` : name === ('password' as string) ? `'${password}'` : whole,
    )

/** Fills an empty database. As a superuser, whom no policy binds. */
export const insertRows = async (admin: postgres.Sql) =>
  admin.unsafe(fill(rows + derivedRows(await derivedTables(admin))))
