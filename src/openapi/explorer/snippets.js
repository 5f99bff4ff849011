// @ts-nocheck: plain JavaScript for the browser.

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`
const indent = (text, by) => text.replaceAll('\n', `\n${by}`)

function readRequest(request) {
  const headers = request.get('headers')?.toJS() ?? {}
  const body = request.get('body')
  return {
    url: request.get('url'),
    method: request.get('method').toUpperCase(),
    headers,
    body:
      body === undefined || body === '' ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  }
}

/** The request as a program, in three languages. */
const generators = {
  curl(request) {
    const { url, method, headers, body } = readRequest(request)
    const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${quote(url)}`]
    for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quote(`${name}: ${value}`)}`)
    if (body) lines.push(`-d ${quote(body)}`)
    return lines.join(' \\\n  ')
  },
  javascript(request) {
    const { url, method, headers, body } = readRequest(request)
    const options = [
      `method: ${JSON.stringify(method)}`,
      `headers: ${indent(JSON.stringify(headers, null, 2), '  ')}`,
    ]
    if (body) options.push(`body: ${JSON.stringify(body)}`)
    return `const response = await fetch(${JSON.stringify(url)}, {\n  ${options.join(',\n  ')},\n})\nconsole.log(response.status, await response.text())`
  },
  python(request) {
    const { url, method, headers, body } = readRequest(request)
    // A JSON string is a Python string, too: surrogate pairs are written as they are.
    const options = [
      `method=${JSON.stringify(method)}`,
      `headers=${indent(JSON.stringify(headers, null, 4), '    ')}`,
    ]
    if (body) options.push(`data=${JSON.stringify(body)}.encode()`)
    return `from urllib.request import Request, urlopen\n\nrequest = Request(\n    ${JSON.stringify(url)},\n    ${options.join(',\n    ')},\n)\nwith urlopen(request) as response:\n    print(response.status, response.read().decode())`
  },
}

const snippetsPlugin = ({ React }) => {
  const { createElement: element, useState } = React

  const RequestSnippets = ({ request, requestSnippetsSelectors }) => {
    const languages = requestSnippetsSelectors.getSnippetGenerators()
    const [active, setActive] = useState(languages.keySeq().first())
    const [copied, setCopied] = useState('')
    const code = languages.getIn([active, 'fn'])(request)
    const copy = async () => {
      await navigator.clipboard.writeText(code)
      setCopied(active)
    }
    return element(
      'section',
      { className: 'request-snippets', 'aria-label': 'The request as code' },
      element(
        'div',
        { className: 'languages', role: 'group', 'aria-label': 'Language' },
        languages
          .entrySeq()
          .map(([name, language]) =>
            element(
              'button',
              { key: name, type: 'button', 'aria-pressed': name === active, onClick: () => setActive(name) },
              language.get('title'),
            ),
          )
          .toArray(),
        element(
          'button',
          { type: 'button', className: 'copy', onClick: copy },
          copied === active ? 'Copied' : 'Copy',
        ),
      ),
      element('pre', { className: 'snippet', tabIndex: 0 }, element('code', null, code)),
    )
  }

  return {
    components: { RequestSnippets },
    fn: Object.fromEntries(
      Object.entries(generators).map(([name, generate]) => [`requestSnippetGenerator_${name}`, generate]),
    ),
  }
}
