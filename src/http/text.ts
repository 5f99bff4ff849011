// Defines which texts count as equal. Titles, notes and names are stored exactly as sent.

/** Normalises a password (RFC 8265, section 4.2.2, OpaqueString): every space becomes U+0020, then NFC; not trimmed. */
export const toOpaqueString = (text: string): string => text.replace(/\p{Zs}/gu, ' ').normalize('NFC')

/**
 * Removes differences of case and of canonically equivalent spelling (Unicode, D145). Upper case comes first, because it
 * maps ß to SS. A final sigma becomes an ordinary one, because its lower case depends on its neighbours.
 */
export const foldCase = (text: string): string =>
  text.normalize('NFD').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')

interface Place {
  parentData: Record<string | number, unknown>
  parentDataProperty: string | number
}
/** Creates a keyword that replaces a value before the rest of its schema is checked. */
const replacing =
  <T>(change: (value: T) => T) =>
  (_: unknown, value: T, _schema?: unknown, place?: Place) => {
    const { parentData, parentDataProperty } = place as Place
    parentData[parentDataProperty] = change(value)
    return true
  }
/** A longer text is too long in NFC, too, and normalising it can take quadratic time. */
const MAX_NORMALISED = 300

/** Schema keywords for texts that are searched for exactly, such as tags: texts that look the same become equal. */
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
    // Runs after `items`, so that normalised items are compared. Keeps the first of equal items.
    keyword: 'x-distinct',
    type: 'array' as const,
    schemaType: 'boolean' as const,
    modifying: true,
    errors: false,
    validate: replacing((items: unknown[]) => [...new Set(items)]),
  },
]
