// The one place that says which texts are the same. Titles, notes and names are kept exactly as sent.

/** RFC 8265, section 4.2.2 (OpaqueString): spaces of any kind become U+0020, then NFC; nothing is trimmed. */
export const toOpaqueString = (text: string): string => text.replace(/\p{Zs}/gu, ' ').normalize('NFC')

/**
 * Removes differences of case and of canonically equivalent spelling (Unicode, D145). Upper case comes first, because
 * it maps ß to SS; the final sigma, which lower case depends on its neighbours for, becomes an ordinary one.
 */
export const foldCase = (text: string): string =>
  text.normalize('NFD').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')

interface Place {
  parentData: Record<string | number, unknown>
  parentDataProperty: string | number
}
/** Replaces a value by another before the rest of its schema is checked. */
const replacing =
  <T>(change: (value: T) => T) =>
  (_: unknown, value: T, _schema?: unknown, place?: Place) => {
    const { parentData, parentDataProperty } = place as Place
    parentData[parentDataProperty] = change(value)
    return true
  }
/** A longer text is too long in NFC too, and normalising it can take quadratic time. */
const MAX_NORMALISED = 300

/** Schema keywords for names by which things are found again: spellings that look the same become one. */
export const textKeywords = [
  {
    keyword: 'x-normalize',
    type: 'string' as const,
    schemaType: 'string' as const,
    metaSchema: { const: 'NFC' },
    modifying: true,
    errors: false,
    before: 'maxLength',
    validate: replacing((text: string) => (text.length > MAX_NORMALISED ? text : text.normalize('NFC'))),
  },
  {
    // After `items`, so that what is compared is normalised. The first of several stays.
    keyword: 'x-distinct',
    type: 'array' as const,
    schemaType: 'boolean' as const,
    modifying: true,
    errors: false,
    validate: replacing((items: unknown[]) => [...new Set(items)]),
  },
]
