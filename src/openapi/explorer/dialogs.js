// @ts-nocheck: plain JavaScript for the browser.

const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (value === true) made.setAttribute(name, '')
    else if (value !== false) made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

/** Shows a modal dialog. @returns what it was closed with, empty when it was cancelled */
function showDialog(title, ...children) {
  const heading = make('h2', { id: 'dialog-title' }, title)
  const dialog = make(
    'dialog',
    { class: 'explorer-dialog', 'aria-labelledby': 'dialog-title' },
    heading,
    ...children,
  )
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue)
    })
  })
}
const cancel = (event) => event.target.closest('dialog').close('')
const cancelButton = () => make('button', { type: 'button', onclick: cancel }, 'Cancel')

/** Asks before something that cannot be undone. */
async function confirmAction(question, action) {
  const form = make(
    'form',
    { method: 'dialog' },
    make('p', {}, question),
    make(
      'div',
      { class: 'buttons' },
      make('button', { value: 'yes', class: 'danger' }, action),
      make('button', { type: 'button', onclick: cancel, autofocus: true }, 'Cancel'),
    ),
  )
  return (await showDialog('Are you sure?', form)) === 'yes'
}

const field = (label, attributes, hint = '') => {
  const input = make('input', {
    id: `login-${attributes.name}`,
    'aria-describedby': `hint-${attributes.name}`,
    ...attributes,
  })
  return make(
    'div',
    { class: 'field' },
    make('label', { for: input.id }, label),
    input,
    make('p', { class: 'hint', id: `hint-${attributes.name}` }, hint),
  )
}

/** The form to log in, to register or to use a token. @returns whether someone is logged in now */
async function showLogin() {
  let isNew = false
  const email = field('Email', {
    name: 'email',
    inputmode: 'email',
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    autofocus: true,
  })
  const password = field('Password', { name: 'password', type: 'password', autocomplete: 'current-password' })
  const code = field(
    'Code',
    { name: 'code', autocomplete: 'one-time-code', spellcheck: 'false', autocapitalize: 'none' },
    'Of your authenticator app, or a recovery code.',
  )
  code.hidden = true
  const token = make(
    'details',
    {},
    make('summary', {}, 'Use a token instead'),
    field(
      'Token',
      { name: 'token', autocomplete: 'off', spellcheck: 'false' },
      'An access token, or a personal access token (todo_pat_…).',
    ),
  )
  const alert = make('p', { role: 'alert', class: 'alert' }, session.notice)
  const submit = make('button', { class: 'primary' }, 'Log in')
  const question = make('span', {}, 'No account yet? ')
  const toggle = make('button', { type: 'button', class: 'link', onclick: toggleMode }, 'Register')
  const forgot = make('button', { type: 'button', class: 'link', onclick: requestReset }, 'Forgot password?')
  const form = make(
    'form',
    { onsubmit: send },
    email,
    password,
    code,
    token,
    alert,
    make('div', { class: 'buttons' }, submit, cancelButton()),
    make('p', {}, question, toggle),
    make('p', {}, forgot),
  )

  function toggleMode() {
    isNew = !isNew
    form.closest('dialog').querySelector('h2').textContent = isNew ? 'Register' : 'Log in'
    submit.textContent = isNew ? 'Register and log in' : 'Log in'
    question.textContent = isNew ? 'Already registered? ' : 'No account yet? '
    toggle.textContent = isNew ? 'Log in' : 'Register'
    token.hidden = forgot.hidden = isNew
    code.hidden = true
    alert.textContent = ''
    password.querySelector('input').autocomplete = isNew ? 'new-password' : 'current-password'
    password.querySelector('.hint').textContent = isNew
      ? '8 to 128 characters, and not a common password.'
      : ''
    email.querySelector('input').focus()
  }

  async function requestReset() {
    alert.textContent = ''
    try {
      await call('password/forgot', { body: { email: email.querySelector('input').value.trim() } })
      alert.textContent = 'If the email has an account, a mail with a link is on its way.'
    } catch ({ message }) {
      alert.textContent = message
    }
  }

  async function send(event) {
    event.preventDefault()
    if (submit.disabled) return
    submit.disabled = true
    alert.textContent = ''
    const { email, password, token, ...sent } = Object.fromEntries(new FormData(form))
    try {
      if (isNew) await session.register(email.trim(), password)
      else if (token.trim()) await session.useToken(token.trim())
      else await session.logIn(email.trim(), password, code.hidden ? '' : sent.code.trim())
      form.closest('dialog')?.close('yes')
    } catch (error) {
      alert.textContent = error.message
      if (['code_required', 'invalid_code'].includes(error.code)) {
        code.hidden = false
        code.querySelector('input').select()
      }
    }
    submit.disabled = false
  }

  return (await showDialog('Log in', form)) === 'yes'
}
