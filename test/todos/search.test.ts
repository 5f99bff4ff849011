import fc from 'fast-check'
import t from 'tap'
import { foldText, toPatterns } from '../../src/todos/folded-text.ts'
import type { Todo } from '../../src/todos/schema.ts'
import { setUp, signUp, type TestUser } from '../support/app.ts'

const { app } = await setUp(t)
const list = async (user: TestUser, query = '') => (await user.ask('GET', `/todos${query}`)).json()
const titles = async (user: TestUser, query: string): Promise<string[]> =>
  (await list(user, query)).data.map(({ title }: Todo) => title)

t.test('finds words anywhere in title and notes, whatever their case and accents', async (t) => {
  const [user, bob] = [await signUp(app), await signUp(app)]
  await user.ask('POST', '/todos', { title: 'Bring crème brûlée', notes: 'for ÅSA, on Tuesday' })
  await user.ask('POST', '/todos', { title: 'Water the plants' })
  await user.ask('POST', '/todos', { title: '买牛奶 100%' })
  await bob.ask('POST', '/todos', { title: 'Crème fraîche' })
  const dessert = ['Bring crème brûlée']
  const expected: Record<string, string[]> = {
    creme: dessert,
    'CRÈME BRULEE': dessert,
    'asa creme': dessert,
    tuesday: dessert,
    'creme plants': [],
    crem: dessert,
    rûl: dessert,
    'Crème-brûlée': [],
    'a, on': dessert,
    'tue%ay': [],
    t_esday: [],
    'tue\\sday': [],
    ants: ['Water the plants'],
    牛奶: ['买牛奶 100%'],
    '0%': ['买牛奶 100%'],
    'tuesday brulee creme asa for bring': dessert,
    fraiche: [],
    PLANTS: ['Water the plants'],
    "'); drop table todos; --": [],
    '& | :*': [],
  }
  for (const [q, found] of Object.entries(expected))
    t.same(await titles(user, `?q=${encodeURIComponent(q)}`), found, q)
  await user.ask('PATCH', `/todos/${(await list(user, '?q=plants')).data[0].id}`, {
    title: 'Sell the plants',
  })
  t.same(await titles(user, '?q=water'), [])
  t.same(await titles(user, '?q=sell'), ['Sell the plants'])
  t.same((await list(bob, '?q=creme&count=exact')).total, 1)

  const [{ id }] = (await list(user, '?q=tuesday')).data
  await user.ask('PATCH', `/todos/${id}`, { notes: 'on Friday' })
  t.same(await titles(user, '?q=tuesday'), [])
  t.same(await titles(user, '?q=FRIDAY'), dessert)
  await user.ask('PATCH', `/todos/${id}`, { notes: null })
  t.same(await titles(user, '?q=friday'), [])
  const operations = [{ op: 'update', id, todo: { title: 'Éclair', notes: 'Sunday' } }]
  await user.ask('POST', '/todos/batch', { operations })
  t.same(await titles(user, '?q=eclair%20sunday'), ['Éclair'])
  // Invisible, or an accent alone: no word.
  for (const q of ['%C2%AD', '%E2%80%8B', '%CC%81', '%C2%A8'])
    t.match((await user.ask('GET', `/todos?q=${q}`)).json().errors, [{ parameter: 'q', code: 'blank' }])
})

t.test('sorts by title without case and accents, and by code points', async (t) => {
  const user = await signUp(app)
  const sorted = ['10', '9', 'a', 'Äb', 'ac', 'Z', 'ß', 'éa', 'Ea', 'eb', 'ﷺ', '牛', '\u{20000}']
  const expected = ['10', '9', 'a', 'Äb', 'ac', 'Ea', 'éa', 'eb', 'ß', 'Z', 'ﷺ', '牛', '\u{20000}']
  for (const title of sorted.toReversed()) await user.ask('POST', '/todos', { title })
  t.same(await titles(user, '?sort=title'), expected)
  t.same(await titles(user, '?sort=-title'), expected.toReversed())
})

t.test('gives texts the same form that people take for the same', async (t) => {
  const same: [string, ...string[]][] = [
    ['cafe', 'Café', 'CAFE\u0301', 'ＣＡＦＥ', 'ca\u00adfe', 'c\u200bafe'],
    ['strasse', 'Straße', 'STRASSE', 'STRAẞE'],
    ['οδοσ', 'ΟΔΟΣ', 'οδός', 'Οδος'],
    ['istanbul', 'İstanbul', 'ISTANBUL'],
    ["it's", 'It’s', 'IT‘S', 'it`s', 'it´s', 'it\u1ffds'],
    ['"a" - b', '“A” – b', '«a» — B'],
    ['офис', 'Офис', 'ОФИС'],
    ['שלום', 'שָׁלוֹם'],
    ['محمد', 'مُحَمَّد'],
    ['file', 'ﬁle'],
  ]
  for (const [folded, ...texts] of same)
    for (const text of [folded, ...texts]) t.equal(foldText(text), folded, text)
})

t.test('keeps apart what is another letter', async (t) => {
  for (const [one, other] of [
    ['か', 'が'],
    ['ハ', 'バ'],
    ['कि', 'क'],
    ['牛奶', '牛'],
    ['a', 'b'],
  ] as const)
    t.not(foldText(one), foldText(other))
})

t.test('changes a folded text no more, and does not depend on the form of its input', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const folded = foldText(text)
      for (const form of ['NFC', 'NFD'] as const) if (foldText(text.normalize(form)) !== folded) return false
      return foldText(folded) === folded
    }),
    { numRuns: 500 },
  )
})

t.test('makes a pattern of each word, in which no character is special', async (t) => {
  t.same(toPatterns('  Milk\u00a0EGGS '), ['%milk%', '%eggs%'])
  t.same(toPatterns('100% a_b c\\d'), ['%100\\%%', '%a\\_b%', '%c\\\\d%'])
  t.same(toPatterns('\u00ad'), [])
  t.same(toPatterns('a ab B cab a x'), ['%cab%', '%x%'], 'and none of a word that another contains')
})
