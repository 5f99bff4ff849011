import fc from 'fast-check'
import t from 'tap'
import { foldText, toPatterns } from '../../src/todos/folded-text.ts'

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
    { numRuns: 2000 },
  )
})

t.test('makes a pattern of each word, in which no character is special', async (t) => {
  t.same(toPatterns('  Milk\u00a0EGGS '), ['%milk%', '%eggs%'])
  t.same(toPatterns('100% a_b c\\d'), ['%100\\%%', '%a\\_b%', '%c\\\\d%'])
  t.same(toPatterns('\u00ad'), [])
  t.same(toPatterns('a ab B cab a x'), ['%cab%', '%x%'], 'and none of a word that another contains')
})
