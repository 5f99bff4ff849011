import { interleave, median, type Rounds } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const SIZES = { '10³': 1000, '10⁴': 10_000, '10⁵': 100_000 }

const makeTodos = ({ admin }: Database, email: string, count: number) => admin`
  with added as (
    insert into todos (user_id, id, title, folded_title)
    select u.id, uuidv7(make_interval(secs => n - ${count})), title, lower(title)
    from generate_series(1, ${count}) n, users u, concat('Water the plants ', n) title where u.email = ${email}
    returning user_id, id, version
  )
  insert into todo_changes (user_id, todo_id, version) select user_id, id, version from added`

/** Syncing users with a thousand to a hundred thousand todos: the first time, after one change, and after none. */
export async function measureSync(database: Database): Promise<void> {
  progress('sync')
  const own = await database.clone('sync')
  const api = await startApi(own)
  const all: Rounds = {}
  for (const [name, count] of Object.entries(SIZES)) {
    const token = await api.signUp(`${count}@example.com`)
    await makeTodos(own, `${count}@example.com`, count)
    const { id } = await api.ask('POST', '/todos', { title: 'a' }, token)
    await own.admin`vacuum analyze`
    const sync = async (since: string) => {
      const page = await api.ask('GET', `/todos/changes${since && `?since=${since}`}`, undefined, token)
      return page as unknown as { next_token: string; has_more: boolean }
    }
    const start = performance.now()
    let page = await sync('')
    while (page.has_more) page = await sync(page.next_token)
    all[`${name} all`] = [performance.now() - start]
    let since = page.next_token
    const time = (path: () => string) => async () => (await api.time('GET', path(), undefined, token)).ms
    const rounds = await interleave(51, {
      todo: time(() => `/todos/${id}`),
      poll: time(() => `/todos/changes?since=${since}`),
      change: async () => {
        await api.ask('PATCH', `/todos/${id}`, { position: 1 }, token)
        const { ms } = await api.time('GET', `/todos/changes?since=${since}`, undefined, token)
        since = (await sync(since)).next_token
        return ms
      },
    })
    for (const [kind, ms] of Object.entries(rounds)) all[`${name} ${kind}`] = ms
  }
  await api.stop()
  chart('sync', 'Syncs of users with 10³ to 10⁵ todos', 'milliseconds', all)
  const ms = (name: string) => median(all[name] ?? [])
  const ratio = ms('10⁵ poll') / ms('10⁵ todo')
  judge('A poll without changes takes at most 1.5 times a GET of a todo', ratio <= 1.5, ratio.toFixed(2))
  const growth = ms('10⁵ change') / ms('10³ change')
  judge(
    'A poll after a change takes as long with 10⁵ todos as with 10³, within a factor of 2',
    growth <= 2,
    `${growth.toFixed(2)}; ${ms('10⁵ change').toFixed(1)} ms`,
  )
  const first = Object.keys(SIZES).map((name) => `${name} ${(ms(`${name} all`) / 1000).toFixed(1)} s`)
  const perTodo = ms('10⁵ all') / 100 / ms('10³ all')
  judge(
    'The first sync takes as long per todo with 10⁵ todos as with 10³, within a factor of 2',
    perTodo <= 2,
    first.join(', '),
  )
}
