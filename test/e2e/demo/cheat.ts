import type { User } from '../../../src/auth/schema.ts'
import { credentialOf } from '../../support/credential-of.ts'
import type { Psql } from './psql.ts'
import type { Screen } from './screen.ts'

interface Person extends User {
  token: string
}

/** The database, seen and attacked by the role that the API logs in with. */
export async function tellCheat(
  { title, note }: Screen,
  { ask }: Psql,
  ada: User,
  bob: Person,
): Promise<void> {
  const own = '(user_id = app.user_id())'
  const ownToWrite = "(user_id = app.user_id('todos:write'::text))"
  await ask(
    `select policyname, cmd, coalesce(qual, with_check) as "for rows where"
from pg_policies where tablename = 'todos' and roles = '{todo_api}' order by policyname`,
    [
      { policyname: 'todos_delete_own', cmd: 'DELETE', 'for rows where': ownToWrite },
      { policyname: 'todos_insert_own', cmd: 'INSERT', 'for rows where': ownToWrite },
      { policyname: 'todos_select_own', cmd: 'SELECT', 'for rows where': own },
      { policyname: 'todos_update_own', cmd: 'UPDATE', 'for rows where': ownToWrite },
    ],
  )

  await title('That role tries to bypass the policies')
  await note('-- No user is set, so no row is visible, and none can be deleted.')
  await ask('select count(*) from todos', [{ count: '0' }])
  await ask('delete from todos', 'DELETE 0')
  await note('-- Around the policies:')
  const credentials = 'ERROR:  permission denied for table credentials'
  await ask('select password_hash from identity.credentials', credentials)
  await ask('alter table todos disable row level security', 'ERROR:  must be owner of table todos')
  await ask('set role postgres', 'ERROR:  permission denied to set role "postgres"')
  await note('-- With the secret in Bob’s token, an update without a where clause changes only his row:')
  const { user_id, session_id, secret } = credentialOf(bob.token)
  const authenticate = `select array_length(scopes, 1) as scopes
from app.authenticate('${user_id}', '${session_id}', '\\x${secret.toString('hex')}')`
  await ask('begin', 'BEGIN')
  await ask(authenticate, [{ scopes: '3' }])
  await ask(`update todos set title = 'Mine'`, 'UPDATE 1')
  await ask('rollback', 'ROLLBACK')

  await title('It injects SQL to become Ada')
  await note('-- The user of a transaction is in a setting, which any SQL can change …')
  await ask('begin', 'BEGIN')
  await ask(authenticate, [{ scopes: '3' }])
  const forge = `select set_config('app.context',
  replace(current_setting('app.context'), '${bob.id}', '${ada.id}'), true) <> '' as forged`
  await ask(forge, [{ forged: 't' }])
  await note('-- … and which is sealed with a key that this role cannot read.')
  await ask('select title from todos', [])
  await ask('select inner_block from identity.secret_keys', 'ERROR:  permission denied for table secret_keys')
  await ask('rollback', 'ROLLBACK')
}
