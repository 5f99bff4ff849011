import { interleave, median } from './load.ts'
import { chart, judge, progress } from './report.ts'
import { type Api, type Database, startApi } from './service.ts'

const SIZES = { '10²': 100, '10⁴': 10_000, '10⁶': 1_000_000 }
const MANY_USERS = 100_000
const PAGE = 5000

/** Todos of one user, made at once; twenty of them have the word needle. */
const makeTodos = ({ admin }: Database, email: string, count: number) => admin`
  insert into todos (user_id, id, title, folded_title)
  select u.id, uuidv7(make_interval(secs => n - ${count})), title, title
  from users u, generate_series(1, ${count}) n,
       concat('todo ', n, case when n % ${count / 20} = 0 then ' needle' end) title
  where u.email = ${email}`

async function fill(database: Database): Promise<void> {
  const { admin } = database
  await admin`
    insert into users (id, email, email_folded)
    select gen_random_uuid(), 'user' || n || '@example.com', 'user' || n || '@example.com' from generate_series(1, ${MANY_USERS}) n`
  await admin`
    insert into todos (user_id, id, title, folded_title)
    select id, gen_random_uuid(), 'todo of ' || email, 'todo of ' || email from users where email like 'user%'`
}

/** The cursor of a later page, found by walking there. */
async function walk({ ask }: Api, token: string): Promise<string> {
  let cursor = ''
  for (let seen = 0; seen < (PAGE - 1) * 20; seen += 100) {
    const from = cursor && `&cursor=${cursor}`
    cursor = `${(await ask('GET', `/todos?limit=100${from}`, undefined, token)).next_cursor}`
  }
  return cursor
}

const REQUESTS = 100
/** How a request is measured: milliseconds each, one after the other. */
const timer =
  ({ time }: Api, token: string) =>
  (path: string, body?: object) =>
  async () => {
    let sum = 0
    for (let n = 0; n < REQUESTS; n++) {
      const { status, ms } = await time(body ? 'POST' : 'GET', path, body, token)
      if (status >= 300) throw new Error(`${path}: ${status}`)
      sum += ms
    }
    return sum / REQUESTS
  }

/** Whether it matters how many todos a user has, and how many users there are. */
export async function measureGrowth(database: Database): Promise<void> {
  progress(`growth: filling the database`)
  const small = await database.clone('small')
  const api = await startApi(database)
  const users: Record<string, ReturnType<typeof timer>> = {}
  let last = ''
  for (const [name, count] of Object.entries(SIZES)) {
    const email = `${count}@example.com`
    last = await api.signUp(email)
    users[name] = timer(api, last)
    await makeTodos(database, email, count)
  }
  await fill(database)
  await database.admin`vacuum analyze`
  progress('growth: measuring')
  const cursor = await walk(api, last)
  const many = users['10⁶'] as ReturnType<typeof timer>
  const variants: Record<string, () => Promise<number>> = {}
  for (const [name, request] of Object.entries(users)) {
    variants[`page 1 of ${name} todos`] = request('/todos')
    // Searching reads all of them: see search.ts.
    if (name !== '10⁶') variants[`q in ${name} todos`] = request('/todos?q=needle')
    variants[`POST to ${name} todos`] = request('/todos', { title: 'one more' })
  }
  variants[`page ${PAGE} of 10⁶ todos`] = many(`/todos?cursor=${cursor}`)
  const lonely = await startApi(small)
  const token = await lonely.signUp('100@example.com')
  await makeTodos(small, '100@example.com', 100)
  await small.admin`vacuum analyze`
  variants['page 1, few users'] = timer(lonely, token)('/todos')
  const ms = await interleave(7, variants)
  await Promise.all([api.stop(), lonely.stop()])
  chart('growth', 'Requests one after the other', 'milliseconds per request', ms)
  const compare = (target: string, slow: string, fast: string) => {
    const [a = [], b = []] = [ms[slow], ms[fast]]
    const ratio = median(a) / median(b)
    judge(
      `${target} takes at most 1.3 times as long`,
      ratio <= 1.3,
      `${ratio.toFixed(2)}: ${median(a).toFixed(2)} and ${median(b).toFixed(2)} ms`,
    )
  }
  compare('GET /todos with 10⁶ todos instead of 10²', 'page 1 of 10⁶ todos', 'page 1 of 10² todos')
  compare(`page ${PAGE} instead of page 1`, `page ${PAGE} of 10⁶ todos`, 'page 1 of 10⁶ todos')
  compare('GET /todos among 10⁵ users instead of few', 'page 1 of 10² todos', 'page 1, few users')
}
