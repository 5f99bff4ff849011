// @ts-nocheck: plain JavaScript for the browser.

/** What each kind of token is for, by its prefix. Paths are relative to the page, which a proxy may have moved. */
const actions = {
  todo_reset_: {
    title: 'Choose a new password',
    message: 'Every session ends, and you log in with the new password.',
    label: 'Set the password',
    path: 'password/reset',
    done: 'Your password has changed. You can log in with it now.',
  },
  todo_verify_: {
    title: 'Confirm your email address',
    message: 'Confirm that this address is the one of your account.',
    label: 'Confirm the address',
    path: 'email/verify',
    done: 'Your email address is confirmed.',
  },
  todo_undo_: {
    title: 'Undo the change of your email address',
    message: 'This restores the address that the mail was sent to, and ends every session.',
    label: 'Restore the address',
    path: 'email/undo',
    done: 'Your address is restored. If you did not change it yourself, request a new password now.',
  },
}

const element = (id) => document.getElementById(id)
const say = (text) => {
  element('message').textContent = text
}

function open() {
  const token = location.hash.slice(1)
  const prefix = Object.keys(actions).find((known) => token.startsWith(known))
  const action = actions[prefix]
  element('form').hidden = !action
  if (!action) return say('The link is not complete. Open it from the mail, or copy all of it.')
  // Neither the address bar nor the history keeps the token.
  history.replaceState(null, '', location.pathname)
  const isReset = prefix === 'todo_reset_'
  document.title = `${action.title} · TODO API`
  element('title').textContent = action.title
  element('act').textContent = action.label
  element('password').hidden = element('revoke').hidden = !isReset
  element('new-password').disabled = !isReset
  say(action.message)
  element('form').onsubmit = (event) => {
    event.preventDefault()
    void act(action, {
      token,
      ...(isReset && {
        new_password: element('new-password').value,
        revoke_tokens: element('revoke-tokens').checked,
      }),
    })
  }
}

async function act(action, body) {
  element('act').disabled = true
  try {
    const response = await fetch(new URL(action.path, location.href), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.ok) {
      element('form').hidden = true
      return say(action.done)
    }
    const problem = await response.json()
    say(problem.errors ? `The password ${problem.errors[0].message}.` : problem.detail)
  } catch {
    say('The service cannot be reached. Try again.')
  } finally {
    element('act').disabled = false
  }
}

// A link that is opened in the same tab changes the fragment only.
addEventListener('hashchange', () => location.hash && open())
open()
