import { interleave, load, median, type Rounds, tell } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

/** The context as a role that is trusted would set and read it: without key, HMAC and comparison. */
const TRUSTING = `
create or replace function identity.sealed_context(user_id uuid, credential_id uuid, logged_in_at timestamptz, scopes text[])
  returns text language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp
as $$ begin
  return concat_ws(' ', user_id, credential_id, coalesce(extract(epoch from logged_in_at)::text, '-'), array_to_string(scopes, ' '));
end $$;
create or replace function app.context(required_scope text default null) returns text[]
  language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
as $$
declare
  sealed constant text := coalesce(current_setting('app.context', true), '');
  parts constant text[] := string_to_array(sealed, ' ');
begin
  if sealed <> '' and (required_scope is null or required_scope = any (parts[4:])) then return parts; end if;
  return null;
end $$`

/** What the seal costs: the same requests on a copy of the database that trusts the setting. */
export async function measureSeal(database: Database): Promise<void> {
  progress('the price of the seal')
  const api = await startApi(database)
  const token = await api.signUp('seal@example.com')
  for (let n = 0; n < 100; n++) await api.ask('POST', '/todos', { title: `todo ${n}` }, token)
  await api.stop()
  const trusting = await database.clone('trusting')
  await trusting.admin.unsafe(TRUSTING)
  const [sealed, trusted] = await Promise.all([startApi(database), startApi(trusting)])
  const list = ({ url }: typeof api) => load({ url: `${url}/todos?limit=20`, token })
  const add = ({ url }: typeof api) =>
    load({ url: `${url}/todos`, token, method: 'POST', body: { title: 'a todo' } })
  const rates = await interleave(7, {
    'GET, sealed': () => list(sealed),
    'GET, trusted': () => list(trusted),
    'POST, sealed': () => add(sealed),
    'POST, trusted': () => add(trusted),
  })
  await Promise.all([sealed.stop(), trusted.stop()])
  chart('seal', 'The context of the user, sealed and trusted', 'requests per second', rates)
  for (const method of ['GET', 'POST']) judgeMethod(method, rates)
}

function judgeMethod(method: string, rates: Rounds): void {
  const { [`${method}, sealed`]: sealed = [], [`${method}, trusted`]: trusted = [] } = rates
  const ratio = median(sealed) / median(trusted)
  judge(
    `${method} /todos has at least 0.95 of the throughput that it has without the seal`,
    ratio >= 0.95,
    `${ratio.toFixed(2)}: ${tell(sealed)} and ${tell(trusted)} requests/s`,
  )
}
