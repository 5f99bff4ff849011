import autocannon from 'autocannon'

/** The value below which that share of the values lies. */
export const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN
export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Asks for one path again and again, and throws when an answer is not a success. @returns requests a second */
export async function load(url: string, token: string, seconds = 2): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const result = await autocannon({ url, connections: 16, duration: seconds, headers })
  if (result.non2xx + result.errors > 0) throw new Error(`${url}: ${result.non2xx + result.errors} failed`)
  return result['2xx'] / result.duration
}

export interface Rounds {
  /** Requests a second, by variant: one figure a round. */
  [variant: string]: number[]
}
/** Measures variants in turns, A B C A B C, after one turn to warm up, so that all meet the same noise. */
export async function interleave(
  rounds: number,
  variants: Record<string, () => Promise<number>>,
): Promise<Rounds> {
  const measured: Rounds = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++)
    for (const [name, measure] of Object.entries(variants)) {
      const figure = await measure()
      if (round > 0) measured[name]?.push(figure)
    }
  return measured
}
