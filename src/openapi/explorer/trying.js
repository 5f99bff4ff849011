// @ts-nocheck: plain JavaScript for the browser.

/** What an operation destroys, in a question; undefined when it destroys nothing. */
function findDanger(method, path, body) {
  if (method === 'delete') {
    if (path === '/me') return 'This deletes your account and all your data. It cannot be undone.'
    if (path === '/todos') return 'This deletes many todos at once. It cannot be undone.'
    if (path === '/todos/{id}') return 'This deletes the todo.'
    return 'This ends access for whatever uses it.'
  }
  if (method === 'patch' && path === '/me') return 'This changes your email or password.'
  if (path === '/todos/batch' && /"op"\s*:\s*"delete"/.test(body)) return 'This batch deletes todos.'
  if (path === '/logout' && /"everywhere"\s*:\s*true/.test(body))
    return 'This ends all your sessions, on every device.'
}

/** Trying an operation out: logs in first, asks before it destroys, and fills in the ID of a todo. */
const tryingPlugin = ({ React }) => {
  const { createElement: element, useEffect, useRef } = React
  /** Operations that are repeated with a new token, so that it happens once. */
  const repeated = new Set()

  /** Whether the request may be sent now. */
  async function prepare({ method, path, operation, specSelectors, specActions, oas3Selectors }) {
    specActions.validateParams([path, method])
    // Swagger UI shows what is missing.
    if (!specSelectors.validateBeforeExecute([path, method])) return true
    const needsLogin = (operation.get('security')?.size ?? 0) > 0
    if (needsLogin && !session.current && !(await showLogin())) return false
    if (needsLogin) await session.keepFresh()
    const danger = findDanger(method, path, `${oas3Selectors.requestBodyValue(path, method) ?? ''}`)
    return !danger || confirmAction(danger, method === 'delete' ? 'Delete' : 'Continue')
  }

  const guard = (Original) => (props) => {
    const isReady = useRef(false)
    const onClickCapture = async (event) => {
      if (isReady.current) {
        isReady.current = false
        return
      }
      event.preventDefault()
      event.stopPropagation()
      const button = event.target.closest('button')
      if (!(await prepare(props)) || !button.isConnected) return
      isReady.current = true
      button.click()
    }
    return element('div', { className: 'guard', onClickCapture }, element(Original, props))
  }

  /** The path's todo: the newest one of the user, unless one is filled in. */
  const fillIn = (Original) => (props) => {
    const { isExecute, onChange, pathMethod, rawParam, specSelectors } = props
    const isTodo = pathMethod.join(' ').startsWith('/todos/{id} ') && rawParam.get('in') === 'path'
    useEffect(() => {
      const isEmpty = () => !specSelectors.parameterWithMetaByIdentity(pathMethod, rawParam)?.get('value')
      if (!isTodo || !isExecute || !session.current || !isEmpty()) return
      call('todos?limit=1', { token: session.current.token, method: 'GET' })
        .then(({ data: [todo] }) => todo && isEmpty() && onChange(rawParam, todo.id, false))
        .catch(() => {})
    }, [isTodo, isExecute])
    return element(Original, props)
  }

  /** What a response means for the session. */
  const followUp =
    (original, { specActions, specSelectors }) =>
    async (path, method, response) => {
      const name = `${method} ${path}`
      // Swagger UI wraps a response that is an error.
      const { status, ok, text } = response.err?.response ?? response
      if (
        status === 401 &&
        /"expired_token"/.test(text) &&
        session.current?.refreshToken &&
        !repeated.has(name)
      ) {
        repeated.add(name)
        await session.refresh().catch(() => {})
        const operation = specSelectors.specResolvedSubtree(['paths', path, method])
        if (session.current) return specActions.execute({ path, method, operation })
      }
      repeated.delete(name)
      // Before its own response is shown: the end of the session removes all others.
      if (ok && (name === 'post /logout' || name === 'delete /me')) session.forget()
      original(path, method, response)
      if (!ok) return
      if (name === 'post /login') session.adopt(JSON.parse(text)).catch(() => {})
    }

  return {
    wrapComponents: { execute: guard, parameterRow: fillIn },
    statePlugins: { spec: { wrapActions: { setResponse: followUp } } },
  }
}
