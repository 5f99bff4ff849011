import autocannon from 'autocannon'

/** The value below which that share of the values lies. */
export const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN
export const median = (values: readonly number[]): number => quantile(values, 0.5)
export const tell = (values: readonly number[], digits = 0): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`

export interface Request {
  url: string
  token: string
  method?: 'GET' | 'POST'
  body?: object
  /** Sends an Idempotency-Key, a new one each time. */
  once?: boolean
}
/**
 * Sends a request again and again, and throws when an answer is not a success.
 * @param options autocannon's: connections, and either a duration in seconds or an amount of requests
 * @returns requests a second
 */
export async function load(
  { url, token, method = 'GET', body, once = false }: Request,
  options: { connections: number; duration?: number; amount?: number } = { connections: 16, duration: 2 },
): Promise<number> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body && { 'content-type': 'application/json' }),
    // Each write carries a new id, so that making one costs both kinds of writes the same.
    ...(body && { [once ? 'idempotency-key' : 'x-not-a-key']: '[<id>]' }),
  }
  const text = body && JSON.stringify(body)
  const result = await autocannon({
    url,
    method,
    headers,
    idReplacement: body !== undefined,
    ...(text && { body: text }),
    ...options,
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${url}: ${result.non2xx + result.errors} failed`)
  return result['2xx'] / result.duration
}

/** Figures by variant: one a round. */
export type Rounds = Record<string, number[]>
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
