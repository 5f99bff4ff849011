// @ts-nocheck: plain JavaScript for the browser.

/** The bar at the top: who is logged in, and until when. Keeps the authorization of Swagger UI equal to the session. */
const loginPlugin = ({ React }) => {
  const { createElement: element, useEffect, useReducer } = React

  const Account = () => {
    const [, update] = useReducer((count) => count + 1, 0)
    useEffect(() => session.onChange(update), [])
    const { current } = session
    if (!current)
      return element(
        'div',
        { className: 'account' },
        element('span', { className: 'notice', role: 'status' }, session.notice),
        element('button', { type: 'button', className: 'btn authorize', onClick: showLogin }, 'Log in'),
      )
    const until = new Date(current.expiresAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    const renewal = current.refreshToken ? ', then renewed' : ''
    return element(
      'div',
      { className: 'account' },
      element(
        'span',
        { className: 'who', role: 'status' },
        element('b', null, current.email ?? 'Logged in'),
        current.expiresAt && element('small', null, `until ${until}${renewal}`),
      ),
      element(
        'button',
        { type: 'button', className: 'btn', onClick: () => session.logOut() },
        current.refreshToken ? 'Log out' : 'Forget token',
      ),
    )
  }

  const Topbar = ({ getComponent }) =>
    element(
      'header',
      { className: 'topbar', role: 'banner' },
      element(
        'nav',
        { 'aria-label': 'Documentation' },
        element(
          'a',
          { className: 'home', href: new URL('docs', base).pathname },
          element('img', {
            src: new URL('docs/static/theme/mark.svg', base).pathname,
            alt: '',
            width: 24,
            height: 24,
          }),
          element('span', null, 'TODO API'),
        ),
        element('a', { href: new URL('docs/guide', base).pathname }, 'Guides'),
        element('a', { href: new URL('problems', base).pathname }, 'Errors'),
      ),
      element(Account),
      element(getComponent('DarkModeToggle')),
    )
  const Nothing = () => null

  return {
    components: { Topbar, AuthorizeBtnContainer: Nothing, authorizeOperationBtn: Nothing },
    afterLoad({ authActions, authSelectors, oas3Actions, specActions, specSelectors }) {
      /** Removes what the page shows of the user. */
      const clear = () => {
        for (const [path, methods] of specSelectors.responses())
          for (const method of methods.keys()) {
            specActions.clearResponse(path, method)
            specActions.clearRequest(path, method)
            oas3Actions.clearRequestBodyValue({ pathMethod: [path, method] })
          }
        if (authSelectors.authorized()?.size) authActions.logout(['bearer'])
      }
      const authorize = () => {
        if (!session.current) return clear()
        const schema = { type: 'http', scheme: 'bearer' }
        authActions.authorize({ bearer: { name: 'bearer', schema, value: session.current.token } })
      }
      session.onChange(authorize)
      authorize()
    },
  }
}
