import t from 'tap'
import { cloneDatabase } from '../support/clone-database.ts'
import { refute } from './proof.ts'

// What is to be proved: every row that todo_api can see or write belongs to the user that app.context() has verified.
// Given that app.context() verifies (test/policies/attacks) and that PostgreSQL applies policies, that follows from
// the four obligations below, one a test, whatever SQL is sent. The definer functions are not part of it: they act
// for todo_auth, and functions.txt holds what each does.

const { admin } = await cloneDatabase(t)
const roles = ['todo_api', 'public']

t.test('every table that the role can reach has row-level security, enabled and forced', async (t) => {
  const reachable = await admin<{ name: string; kind: string; guarded: boolean }[]>`
    select c.oid::regclass::text as name, relkind as kind, relrowsecurity and relforcerowsecurity as guarded
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' and relkind not in ('i', 'I')
      and (has_any_column_privilege('todo_api', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
        or has_table_privilege('todo_api', c.oid, 'DELETE, TRUNCATE, TRIGGER'))`
  t.ok(reachable.length > 5)
  for (const { name, kind, guarded } of reachable) {
    t.equal(kind, 'r', `${name} is a table, and no view or sequence`)
    t.ok(guarded, name)
  }
})

t.test('every policy shows and lets in rows of the user only', async (t) => {
  const policies = await admin<
    { table: string; name: string; cmd: string; qual: string | null; with_check: string | null }[]
  >`
    select tablename as table, policyname as name, cmd, qual, with_check from pg_policies
    where roles && ${roles}::name[] and permissive = 'PERMISSIVE'`
  t.ok(policies.length > 10)
  for (const { table, name, cmd, qual, with_check } of policies) {
    const owner = table === 'users' ? 'id' : 'user_id'
    if (cmd !== 'INSERT') t.equal(refute(qual, owner), undefined, `${name}: what is seen`)
    if (cmd !== 'SELECT' && cmd !== 'DELETE')
      t.equal(refute(with_check ?? qual, owner), undefined, `${name}: what is written`)
  }
})

t.test('the user is the first field of the verified context, and nothing else', async (t) => {
  const [row] = await admin`select pg_get_functiondef('app.user_id(text)'::regprocedure) as definition`
  t.match(row?.definition, /RETURN \(\(app\.context\((user_id\.)?required_scope\)\)\[1\]\)::uuid\s*$/)
  const defaults = await admin<{ name: string; value: string }[]>`
    select adrelid::regclass::text as name, pg_get_expr(adbin, adrelid) as value
    from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum where attname = 'user_id'`
  t.ok(defaults.length > 2)
  for (const { name, value } of defaults) t.equal(value, 'app.user_id()', `the default of user_id in ${name}`)
})

t.test('the role is bound by policies, and can become no role that is not', async (t) => {
  const beyond = await admin`
    select rolname from pg_roles
    where pg_has_role('todo_api', oid, 'MEMBER')
      and (rolname <> 'todo_api' or rolsuper or rolbypassrls or rolcreaterole)`
  t.same([...beyond], [])
})

t.test('the checker refuses what does not follow', async (t) => {
  const own = '(user_id = app.user_id())'
  for (const proved of [
    own,
    "(user_id = app.user_id('todos:write'::text))",
    `(${own} AND (scopes <@ app.scopes()))`,
    `((user_id = app.user_id('account'::text)) OR (${own} AND (id = app.credential_id())))`,
    `(${own} AND ((title = 'x) OR (true'::text) OR completed))`,
  ])
    t.equal(refute(proved, 'user_id'), undefined, proved)
  for (const [weaker, why] of Object.entries({
    true: /not every arm/,
    '(user_id = user_id)': /not every arm/,
    '(id = app.user_id())': /not every arm/,
    '(user_id <> app.user_id())': /not every arm/,
    [`(NOT ${own})`]: /not every arm|calls NOT/,
    [`(${own} OR completed)`]: /not every arm/,
    [`(${own} OR (id = app.credential_id()))`]: /not every arm/,
    [`((${own} AND completed) OR true)`]: /not every arm/,
    [`(${own} IS NOT FALSE)`]: /not every arm/,
    '(app.user_id() IS NULL)': /not every arm/,
    '(COALESCE(user_id, app.user_id()) = app.user_id())': /calls COALESCE/,
    '(user_id OPERATOR(app.=) app.user_id())': /calls OPERATOR/,
    '(user_id = other.user_id())': /calls other.user_id/,
    '(user_id IN ( SELECT users.id\n   FROM users))': /sub-select/,
    [`CASE WHEN completed THEN true AND ${own} ELSE true END`]: /case/,
    [`(${own} AND (EXISTS ( SELECT 1)))`]: /sub-select/,
    "(title = ') OR (user_id = app.user_id('::text)": /not every arm/,
  }))
    t.match(refute(weaker, 'user_id'), why, weaker)
  t.match(refute(null, 'user_id'), /no condition/)
})
