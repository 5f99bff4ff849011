// @ts-nocheck: Swagger UI brings no types.

// The path that a proxy may have put in front is known from where this script is: …/docs/static/theme/login.js.
const loginUrl = new URL('../../../login', document.currentScript.src)

/**
 * A plugin for Swagger UI, which runs in the browser: its dialog Authorize takes email and password as well as
 * a token. They are sent to POST /login, and only the access token that it answers is kept.
 */
const login = ({ React: { createElement: element } }) => ({
  wrapComponents: {
    HttpAuth: (Authorized) => (props) => {
      const { name, schema, authorized, errSelectors, getComponent, onChange } = props
      if (authorized.get(name)) return element(Authorized, props)

      const onInput = ({ target }) =>
        onChange({ name, schema, value: Object.fromEntries(new FormData(target.form)) })
      const field = (label, options) =>
        element(
          getComponent('Row'),
          null,
          element('label', { htmlFor: options.name }, label),
          element(
            getComponent('Col'),
            null,
            element(getComponent('Input'), { id: options.name, onChange: onInput, ...options }),
          ),
        )
      return element(
        'div',
        null,
        element('h4', null, 'Log in'),
        field('Email', {
          name: 'email',
          type: 'text',
          inputMode: 'email',
          autoComplete: 'username',
          autoFocus: true,
        }),
        field('Password', { name: 'password', type: 'password', autoComplete: 'current-password' }),
        element('h4', null, 'or paste a token'),
        element(getComponent('Markdown', true), { source: schema.get('description') }),
        field('Token', { name: 'token', type: 'text', autoComplete: 'off' }),
        element(
          'div',
          { role: 'alert' },
          errSelectors
            .allErrors()
            .filter((error) => error.get('authId') === name)
            .map((error, key) => element(getComponent('authError'), { error, key })),
        ),
      )
    },
  },
  statePlugins: {
    auth: {
      wrapActions: {
        authorizeWithPersistOption:
          (authorize, { errActions }) =>
          async ({ bearer }) => {
            if (!bearer) return
            errActions.clear({ authId: 'bearer' })
            try {
              const { token, ...credentials } = bearer.value
              authorize({ bearer: { ...bearer, value: token.trim() || (await requestToken(credentials)) } })
            } catch ({ message }) {
              errActions.newAuthErr({ authId: 'bearer', source: 'Login', level: 'failed', message })
            }
          },
      },
    },
  },
})

/** @throws {Error} with what the problem document says */
async function requestToken(credentials) {
  const answer = await fetch(loginUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(credentials),
  })
  const { access_token, detail, errors } = await answer.json()
  if (answer.ok) return access_token
  throw new Error(
    errors?.map(({ pointer, message }) => `${pointer.slice(1)} ${message}`).join(', ') ?? detail,
  )
}

SwaggerUIStandalonePreset.push(login)
