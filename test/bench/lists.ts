import { interleave, median, type Rounds } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Database, startApi } from './service.ts'

const SIZES = { '10³': 1000, '10⁴': 10_000, '10⁵': 100_000 }
const KEYS = ['created_at', 'updated_at', 'due_at', 'priority', 'position', 'title']
const OTHERS = 100_000

/**
 * Todos with short notes, of a user and, between them, of others: what a user wrote at different times is not together
 * on disk. One in a hundred has the word needle.
 */
const makeTodos = ({ admin }: Database, email: string, count: number) => admin`
  insert into todos (user_id, id, title, folded_title, notes, folded_notes, completed, completed_at, due_at, priority,
                     position, tags, updated_at)
  select u.id, uuidv7(make_interval(secs => n - ${count})), title, lower(title), notes, lower(notes), n % 2 = 0,
         case when n % 2 = 0 then now() end, case when n % 3 > 0 then now() + n * interval '1 minute' end, n % 4, n,
         array['tag ' || n % 20, 'home'], now() - random() * interval '100 days'
  from generate_series(1, ${count}) n, users u,
       concat(case when n % 100 = 0 then 'Needle ' else 'Water ' end, md5(n::text)) title,
       concat('The fern needs more than the cactus: ', md5(n::text), ' ', md5(title)) notes
  where u.email = ${email}
  order by random()`

/** Every sort and filter of users with a thousand to a hundred thousand todos; only the default sort has an index. */
export async function measureLists(database: Database): Promise<void> {
  progress('lists: filling the database')
  const own = await database.clone('lists')
  const api = await startApi(own)
  const users: Record<string, string> = {}
  await api.signUp('others@example.com')
  for (const [name, count] of Object.entries(SIZES)) {
    users[name] = await api.signUp(`${count}@example.com`)
    await makeTodos(own, `${count}@example.com`, count)
  }
  await makeTodos(own, 'others@example.com', OTHERS)
  await own.admin`vacuum analyze`
  progress('lists: measuring')
  const queries = [
    ...KEYS.map((key) => `sort=-${key}`),
    'q=needle',
    'q=needle%20fern%20more',
    'q=nothing',
    'q=e&sort=title',
    'count=exact',
    'completed=true',
    'priority=1&sort=due_at',
    'tag=tag%203',
    'due=none',
    'due_from=2026-01-01T00:00:00Z&sort=due_at',
  ].map((query) => `/todos?${query}`)
  const all: Rounds = {}
  for (const [name, token] of Object.entries(users)) {
    const time = (path: string) => async () => {
      const { status, ms } = await api.time('GET', path, undefined, token)
      if (status !== 200) throw new Error(`${path}: ${status}`)
      return ms
    }
    const variants = Object.fromEntries([...queries, '/tags'].map((path) => [path, time(path)]))
    const rounds = await interleave(7, variants)
    for (const [path, ms] of Object.entries(rounds)) all[`${name} ${path}`] = ms
  }
  await api.stop()
  chart('lists', 'Lists of users with 10³ to 10⁵ todos', 'milliseconds per request', all)
  const judgeAll = (target: string, limit: number, name: string, part: string) => {
    const figures = Object.entries(all)
      .filter(([label]) => label.startsWith(name) && label.includes(part))
      .map(([label, ms]) => ({ label, ms: median(ms) }))
    const slowest = figures.reduce((a, b) => (a.ms > b.ms ? a : b))
    judge(target, slowest.ms <= limit, `${slowest.ms.toFixed(1)} ms at most (${slowest.label})`)
  }
  judgeAll('Every sort of 10⁴ todos takes at most 20 ms', 20, '10⁴', '?sort=')
  judgeAll('q in 10⁴ todos takes at most 25 ms', 25, '10⁴', '?q=')
  judgeAll('q in 10⁵ todos takes at most 250 ms', 250, '10⁵', '?q=')
}
