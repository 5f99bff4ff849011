import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { setUp, signUp } from '../../support/app.ts'
import { findProgram, needs } from '../../support/external-programs.ts'
import { freePort } from '../../support/free-port.ts'
import { readBlocks } from '../../support/markdown.ts'

// docs/alerts.yaml and docs/dashboard.json use what the service really exposes, and all of what docs/operations.md lists.

interface Rule {
  alert: string
  expr: string
}
const rules: Rule[] = parse(readFileSync('docs/alerts.yaml', 'utf8')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
)
const dashboard = JSON.parse(readFileSync('docs/dashboard.json', 'utf8')) as {
  panels: { id: number; targets: { expr: string }[] }[]
  templating: { list: { query: string | { query: string } }[] }
}
const rows = readFileSync('docs/operations.md', 'utf8').match(/\| metric \| meaning .*?\n\n/s)?.[0] ?? ''
/** The metrics of the table, with the labels that it names for them. */
const documented = new Map(
  [...rows.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) => {
    const [names = '', labels = ''] = cell.split(' by ')
    const words = (text: string) => [...text.matchAll(/`(\w+)`/g)].map(([, word]) => `${word}`)
    return words(names).map((name) => [name, words(labels)] as const)
  }),
)

type Series = { name: string; labels: Record<string, string> }
const port = await freePort()
const { app } = await setUp(t, { ADMIN_PORT: String(port) })
await (await signUp(app)).ask('GET', '/todos')
await app.inject('/ready')
const exposition = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
const series: Series[] = [...exposition.matchAll(/^(\w+)(?:\{(.*)\})? [^ ]+$/gm)].map(
  ([, name = '', labels = '']) => ({
    name,
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value]),
    ),
  }),
)
/** The name in the table of a series of a histogram. */
const baseOf = (name: string) => name.replace(/_(bucket|count|sum)$/, '')

const FUNCTIONS = /^(sum|rate|increase|histogram_quantile|max|min_over_time|label_values|and|or|offset|by)$/
/** Labels that Prometheus adds to every series. */
const ADDED = ['job', 'instance']
/** What an expression selects: the metrics with their matchers, and the labels that it groups by. */
function readExpression(expr: string) {
  const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
  const rest = expr.replaceAll(/by \([^)]*\)|\[[^\]]*\]|offset \w+/g, '')
  const selectors = [...rest.matchAll(/\b([a-z_]\w*)(?:\{([^}]*)\})?/g)]
    .filter(([, name = '']) => !FUNCTIONS.test(name))
    .map(([, name = '', matchers = '']) => ({
      name,
      matchers: [...matchers.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g)].map(([, label = '', , value = '']) => ({
        label,
        value,
      })),
    }))
  return { grouped, selectors }
}

const alerts = rules.map(({ alert, expr }) => [alert, expr] as const)
const panels = dashboard.panels.flatMap(({ id, targets }) =>
  targets.map(({ expr }) => [`panel ${id}`, expr] as const),
)

t.test('the table lists every metric of the service, with its labels', async (t) => {
  const own = series.filter(({ name }) => !/^(process|nodejs)_/.test(name))
  for (const { name, labels } of own)
    t.same(
      Object.keys(labels).filter((label) => label !== 'le' && !documented.get(baseOf(name))?.includes(label)),
      [],
      name,
    )
  for (const name of documented.keys())
    t.ok(
      series.some((one) => baseOf(one.name) === name),
      name,
    )
})

t.test('alerts and panels use metrics, labels and values that exist', async (t) => {
  for (const [where, expr] of [...alerts, ...panels]) {
    const { grouped, selectors } = readExpression(expr)
    t.ok(selectors.length > 0, where)
    for (const { name, matchers } of selectors.filter(({ name }) => name !== 'up')) {
      const found = series.filter((one) => one.name === name)
      t.ok(documented.has(baseOf(name)) && found.length > 0, `${where}: ${name}`)
      for (const { label, value } of matchers.filter(({ label }) => !ADDED.includes(label))) {
        t.ok(
          found.every(({ labels }) => label in labels),
          `${where}: ${name} has ${label}`,
        )
        // A status is there after the first response with it.
        if (label === 'status') continue
        for (const one of value.split('|'))
          t.ok(
            found.some(({ labels }) => labels[label] === one),
            `${where}: ${label} ${one}`,
          )
      }
    }
    const known = [...ADDED, ...series.flatMap(({ labels }) => Object.keys(labels))]
    for (const label of grouped) t.ok(known.includes(label), `${where}: by ${label}`)
  }
})

t.test('every metric of the table has an alert and a panel', async (t) => {
  for (const [kind, all] of Object.entries({ alerts, panels })) {
    const used = all.flatMap(([, expr]) => readExpression(expr).selectors.map(({ name }) => baseOf(name)))
    for (const name of documented.keys()) t.ok(used.includes(name), `${kind}: ${name}`)
  }
})

t.test(
  'Prometheus accepts the rules and the configuration, and the rules fire',
  needs('promtool'),
  async (t) => {
    const folder = t.testdir()
    const promtool = (...args: string[]) =>
      promisify(execFile)(`${findProgram('promtool')}`, args, { cwd: folder })
    writeFileSync(join(folder, 'alerts.yaml'), readFileSync('docs/alerts.yaml'))
    const [config] = readBlocks('docs/operations.md').filter(({ file }) => file === 'prometheus.yml')
    writeFileSync(join(folder, 'prometheus.yml'), `${config?.text}`)
    await promtool('check', 'config', '--syntax-only', 'prometheus.yml')
    await promtool('check', 'rules', 'alerts.yaml')

    const labels = 'job="todo-api",instance="a"'
    const cases: Record<string, [string, string][]> = {
      TodoApiDown: [['up', '0x60']],
      TodoApiNotReady: [['http_request_duration_seconds_count{route="/ready",status="503"}', '0+1x60']],
      TodoApiErrors: [
        ['http_request_duration_seconds_count{route="/todos",status="200"}', '0+1000x60'],
        ['http_request_duration_seconds_count{route="/todos",status="500"}', '0+2x60'],
      ],
      TodoApiInternalErrors: [['http_problems_total{code="internal"}', '0x55 1x5']],
      TodoApiRejectsRequests: [['http_problems_total{code="overloaded"}', '0+10x60']],
      TodoApiPasswordGuessing: [['http_problems_total{code="invalid_credentials"}', '0+100x60']],
      TodoApiManyRequestsInFlight: [['http_requests_in_flight', '30x60']],
      TodoApiManyConnections: [['http_connections', '11000x60']],
      TodoApiPoolTooSmall: [['database_pool_connections{state="waiting"}', '3x60']],
      TodoApiDeniedWrites: [['database_denied_writes_total', '0x55 1x5']],
      TodoApiPasswordQueue: [['password_queue_length', '30x60']],
      TodoApiMailsWait: [['mail_queue_oldest_seconds', '0+60x60']],
      TodoApiMailsGivenUp: [['mail_attempts_total{outcome="given_up"}', '0+1x60']],
      TodoApiEventLoopLag: [['nodejs_eventloop_lag_mean_seconds', '0.2x60']],
    }
    const name = (metric: string) =>
      metric.includes('{') ? metric.replace('{', `{${labels},`) : `${metric}{${labels}}`
    // With nothing but these series, the alert fires; the day-long ones are left out.
    const tests = Object.entries(cases).map(([alert, input]) => ({
      interval: '1m',
      input_series: input.map(([metric, values]) => ({ series: name(metric), values })),
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0`,
          eval_time: '58m',
          exp_samples: [{ value: 1 }],
        },
        { expr: 'count(ALERTS{alertstate="firing"})', eval_time: '58m', exp_samples: [{ value: 1 }] },
      ],
    }))
    writeFileSync(join(folder, 'test.json'), JSON.stringify({ rule_files: ['alerts.yaml'], tests }))
    await promtool('test', 'rules', 'test.json')
    const untested = rules.map(({ alert }) => alert).filter((alert) => !(alert in cases))
    t.same(untested, ['TodoApiSlow', 'TodoApiMemoryGrows'])
  },
)
