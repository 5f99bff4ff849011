// @ts-nocheck: plain JavaScript for the browser.

// A proxy may have put a path in front; it is known from this script's address: …/docs/static/theme/session.js.
const base = new URL('../../../', document.currentScript.src)

/** Sends JSON. @throws {Error} with what the problem document says; its `status` is that of the response */
async function call(path, { token, body, method = 'POST' } = {}) {
  const response = await fetch(new URL(path, base), {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  }).catch(() => {
    throw new Error('The service cannot be reached.')
  })
  const answer = response.status === 204 ? undefined : await response.json()
  if (response.ok) return answer
  const faults = answer.errors?.map(
    (fault) => `${(fault.pointer ?? fault.parameter).replace('/', '')} ${fault.message}`,
  )
  throw Object.assign(new Error(faults?.join(', ') ?? answer.detail), { status: response.status })
}

const readClaims = (token) => {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))
  } catch {
    return {}
  }
}

/**
 * Who is logged in, in this tab and in the others: an object with `email`, `token`, and for a login `refreshToken`,
 * `expiresAt` (milliseconds) and `id`. It is kept in the tab's session storage without the email, never in a URL.
 */
const session = (() => {
  const KEY = `todo-api session ${base.pathname}`
  const PEERS_MS = 150
  const channel = new BroadcastChannel(KEY)
  const listeners = new Set()
  let current = JSON.parse(sessionStorage.getItem(KEY))
  let timer
  let refreshing
  /** Why the session ended, when the user did not end it. */
  let notice = ''

  function set(next, reason = '') {
    current = next
    notice = reason
    if (next) sessionStorage.setItem(KEY, JSON.stringify({ ...next, email: undefined }))
    else sessionStorage.removeItem(KEY)
    schedule()
    for (const listener of listeners) listener()
  }

  function schedule(retryMs = 0) {
    clearTimeout(timer)
    if (!current?.refreshToken) return
    const left = Math.max(0, current.expiresAt - Date.now())
    timer = setTimeout(() => refresh().catch(() => {}), Math.max(retryMs, left - Math.min(60_000, left / 5)))
  }

  function adopt(tokens, email) {
    const next = {
      email,
      token: tokens.access_token,
      refreshToken: tokens.refresh_token,
      expiresAt: Date.now() + tokens.expires_in * 1000,
      id: readClaims(tokens.access_token).sid,
    }
    set(next)
    channel.postMessage({ session: next })
  }

  /** A tab that was asleep may hold a refresh token that another tab has used since. */
  function askPeers() {
    const before = current
    channel.postMessage({ wanted: before?.id ?? 'any', newerThan: before?.expiresAt ?? 0 })
    return new Promise((resolve) => setTimeout(() => resolve(current !== before), PEERS_MS))
  }

  channel.onmessage = ({ data }) => {
    if (data.ended && data.ended === current?.id) set(null)
    if (data.wanted && current?.refreshToken && [current.id, 'any'].includes(data.wanted)) {
      if (current.expiresAt > data.newerThan) channel.postMessage({ session: current })
    }
    if (!data.session) return
    if (!current || (current.id === data.session.id && current.expiresAt < data.session.expiresAt))
      set(data.session)
  }

  /** One tab at a time; outside a secure context there are no locks. */
  const locked = (work) => (navigator.locks ? navigator.locks.request(KEY, work) : work())

  async function refreshOnce(before) {
    // Another tab may have renewed it while this one waited.
    if (current !== before || !current?.refreshToken || (await askPeers())) return
    const { email, id, refreshToken } = current
    try {
      const tokens = await call('refresh', { body: { refresh_token: refreshToken } })
      // Logged out meanwhile.
      if (current?.id === id) adopt(tokens, email)
    } catch (error) {
      if (error.status === 401) set(null, 'Your session has ended. Log in again.')
      else schedule(5000)
      throw error
    }
  }

  function refresh() {
    const before = current
    refreshing ??= locked(() => refreshOnce(before)).finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  const isStale = () => current?.refreshToken && current.expiresAt - Date.now() < 5000

  async function end() {
    const { id, token, refreshToken } = current
    set(null)
    if (!refreshToken) return
    channel.postMessage({ ended: id })
    await call('logout', { token }).catch(() => {})
  }

  const readEmail = (token) =>
    call('me', { token, method: 'GET' }).then(
      ({ email }) => email,
      (error) => {
        // It is valid, but has not the scope `account`.
        if (error.status === 403) return 'a personal access token'
        throw error
      },
    )

  async function recallEmail() {
    await session.keepFresh()
    const before = current
    if (!before) return
    before.email = await readEmail(before.token)
    for (const listener of listeners) listener()
  }

  schedule()
  if (!current) void askPeers()

  return {
    get current() {
      return current
    },
    get notice() {
      return notice
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async logIn(email, password) {
      adopt(await call('login', { body: { email, password } }), email)
    },
    async register(email, password) {
      await call('register', { body: { email, password } })
      await session.logIn(email, password)
    },
    /** Takes a pasted token, after checking it. */
    async useToken(token) {
      const email = await readEmail(token)
      const { exp, sid } = readClaims(token)
      set({ email, token, id: sid, ...(exp && { expiresAt: exp * 1000 }) })
    },
    /** The tokens of a login or a refresh that was executed as an operation. */
    async adopt(tokens) {
      const replaced = current
      adopt(tokens, await readEmail(tokens.access_token))
      if (replaced?.refreshToken) await call('logout', { token: replaced.token }).catch(() => {})
    },
    /** Makes sure that the token is valid for some seconds. */
    async keepFresh() {
      if (isStale()) await refresh().catch(() => {})
    },
    refresh,
    recallEmail,
    /** Revokes a login's tokens. A pasted token is only forgotten: revoking it would break what else uses it. */
    async logOut() {
      await session.keepFresh()
      if (current) await end()
    },
    /** The session was ended by an operation. */
    forget() {
      if (current?.id) channel.postMessage({ ended: current.id })
      set(null)
    },
  }
})()
if (session.current) session.recallEmail().catch(() => {})
