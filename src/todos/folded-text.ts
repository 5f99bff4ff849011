/** Invisible characters, such as the soft hyphen and the zero-width space. */
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu
/**
 * Marks that people leave out when they type: Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowel signs. Not
 * those that make another letter, as in Japanese (U+3099) or Hindi.
 */
const MARKS =
  /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]/gu
const APOSTROPHES = /[\u2018-\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u02c8\u0060\u05f3]/gu
/** Typed as an apostrophe, but NFKD would make a space of it. */
const ACUTE = /[\u00b4\u1ffd]/g
const QUOTES = /[\u201c-\u201f\u2033\u00ab\u00bb\u2039\u203a\u05f4]/gu
const DASHES = /[\u2010-\u2015\u2212\u2043\u05be]/gu

/** Normalizing takes quadratic time in a run of marks, so at most 30 are kept (UAX #15, section 13). */
const LONG_RUN = /(\p{M}{30})\p{M}+/gu
const normalize = (text: string, form: 'NFKD' | 'NFC') => text.replace(LONG_RUN, '$1').normalize(form)

/** A few characters decompose into up to 18. What is cut at this length is longer than any note of ordinary text. */
const MAX_LENGTH = 40_000

/**
 * The form in which texts are searched and sorted: two texts that differ only in case, accents, typographic quotes or
 * dashes, compatibility characters or invisible ones have the same. In the API and not in the database, so that results
 * depend on no server's locale.
 * @see Unicode Standard, sections 3.11 (normalization forms) and 3.13 (case folding)
 */
export function foldText(text: string): string {
  const plain = removeMarks(
    normalize(text.replace(ACUTE, "'").replace(IGNORABLE, ''), 'NFKD')
      .slice(0, MAX_LENGTH)
      .replace(IGNORABLE, ''),
  )
    .replace(APOSTROPHES, "'")
    .replace(QUOTES, '"')
    .replace(DASHES, '-')
  // Lower, upper, lower: ẞ and ß become ss. The lower case of Σ depends on its place, so ς becomes σ.
  const lower = plain.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ')
  // Case mapping can leave a mark behind, as in ŉ and ǰ.
  return normalize(removeMarks(normalize(lower, 'NFKD')), 'NFC')
}

const removeMarks = (text: string): string => text.replace(MARKS, '')

/**
 * The words of a search, each as a pattern for LIKE that finds it anywhere. A word within another one is left out: the
 * longer one finds both.
 */
export function toPatterns(search: string): string[] {
  const words = [...new Set(foldText(search).split(/\s+/u).filter(Boolean))]
  return words
    .filter((word) => !words.some((other) => other !== word && other.includes(word)))
    .map((word) => `%${word.replaceAll(/[\\%_]/g, '\\$&')}%`)
}
