const WIDTH = 110

/** A text with its secrets cut. */
export const shorten = (text: string) => text.replaceAll(/([\w.-]{24})[\w.-]{36,}/g, '$1…')

/**
 * JSON as a person reads it: on one line where that fits, else a member a line; `…` for what is left out.
 * @param members that are told of each object, all when left out
 */
export function tellJson(value: unknown, members?: string[]): string {
  const told = shorten(JSON.stringify(value, members, 2))
  const lines = members ? told.replaceAll(/\n( *)}/g, ',\n$1  …\n$1}') : told
  const line = lines.replaceAll(/\n */g, ' ')
  return line.length > WIDTH ? lines : line
}
