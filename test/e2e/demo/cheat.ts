import type { User } from '../../../src/auth/schema.ts'
import type { Psql } from './psql.ts'
import type { Screen } from './screen.ts'

/** The database, seen and attacked by the role that the API logs in with. */
export async function tellCheat({ title, note }: Screen, { ask }: Psql, ada: User, bob: User): Promise<void> {
  const own = '(user_id = app.user_id())'
  const ownToWrite = `(${own} AND app.has_scope('todos:write'::text))`
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

  await title('That role cheats')
  await note('-- Nobody is asking: there is nothing to see, nor to delete.')
  await ask('select count(*) from todos', [{ count: '0' }])
  await ask('delete from todos', 'DELETE 0')
  await note(
    '-- Bob is asking: an update that forgot its where reaches his row alone, and gives it to nobody.',
  )
  await ask(`set app.user_id = '${bob.id}'`, 'SET')
  await ask(`set app.scopes = 'todos:write'`, 'SET')
  await ask(`update todos set title = 'Mine'`, 'UPDATE 1')
  await ask(`update todos set user_id = '${ada.id}'`, 'ERROR:  permission denied for table todos')
  await note('-- Then around the policies.')
  const credentials = 'ERROR:  permission denied for table credentials'
  await ask('select password_hash from identity.credentials', credentials)
  await ask(`update identity.credentials set password_hash = 'known'`, credentials)
  await ask('alter table todos disable row level security', 'ERROR:  must be owner of table todos')
  await ask('set role postgres', 'ERROR:  permission denied to set role "postgres"')
  await ask('set row_security = off', 'SET')
  await ask(
    'select title from todos',
    'ERROR:  query would be affected by row-level security policy for table "todos"',
  )

  await title('What this does not stop')
  await note('-- Whoever has the password of this role can say who is asking, as the API does.')
  await ask('reset row_security', 'RESET')
  await ask(`set app.user_id = '${ada.id}'`, 'SET')
  await ask('select title from todos order by id', [{ title: 'Water the plants' }, { title: 'Feed the cat' }])
  await note('-- Policies protect users from each other, and from a handler that forgot; not from that.')
}
