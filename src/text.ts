// The one place that says which texts are the same. Titles, notes and names are kept exactly as sent.

/** RFC 8265, section 4.2.2 (OpaqueString): spaces of any kind become U+0020, then NFC; nothing is trimmed. */
export const toOpaqueString = (text: string): string => text.replace(/\p{Zs}/gu, ' ').normalize('NFC')

/**
 * Removes differences of case and of canonically equivalent spelling (Unicode, D145). Upper case comes first, because
 * it maps ß to SS; the final sigma, which lower case depends on its neighbours for, becomes an ordinary one.
 */
export const foldCase = (text: string): string =>
  text.normalize('NFD').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')
