// @ts-nocheck: plain JavaScript for the browser.

/** An operation that fits the screen: its errors in a list, by status, one line each. */
const readingPlugin = ({ React: { createElement: element } }) => {
  const isError = (_response, status) => /^[45]/.test(status)

  /** For what Swagger UI leaves without a name. */
  const name = (selector, attribute, value) => (node) => {
    for (const found of node?.querySelectorAll(selector) ?? []) found.setAttribute(attribute, value)
  }

  const show = (problem) =>
    element(
      'div',
      { className: 'problem', key: problem.code },
      element('a', { href: problem.type }, problem.code),
      element(
        'details',
        null,
        element('summary', null, problem.title),
        element('pre', { tabIndex: 0 }, JSON.stringify(problem, null, 2)),
      ),
    )

  const Errors = ({ responses }) => {
    const problems = responses
      .valueSeq()
      .flatMap(
        (response) => response.getIn(['content', 'application/problem+json', 'examples'])?.valueSeq() ?? [],
      )
      .map((example) => example.get('value').toJS())
      .groupBy((problem) => problem.status)
    return element(
      'div',
      { className: 'errors-of-operation' },
      element('h4', null, 'Errors'),
      element(
        'ul',
        null,
        problems
          .entrySeq()
          .map(([status, sameStatus]) =>
            element(
              'li',
              { key: status },
              element('span', { className: 'status' }, status),
              element('div', { className: 'problems' }, sameStatus.map(show)),
            ),
          ),
      ),
    )
  }

  /** The names of the kinds of an object, in place of `object | (object | object)`. */
  const nameKinds = ({ oneOf = [], items }) => {
    const kinds = oneOf.map(({ title }) => title)
    if (kinds.length > 0 && kinds.every(Boolean)) return kinds.join(' | ')
    const item = items && nameKinds(items)
    return item && `array<${item}>`
  }

  const Nothing = () => null

  return {
    // A link inside a button cannot be reached; the address changes when an operation is opened.
    components: {
      DeepLink: ({ text }) => element('span', null, text),
      // The example has its own tab, and every body is strict.
      JSONSchema202012KeywordExamples: Nothing,
      JSONSchema202012KeywordAdditionalProperties: Nothing,
      JSONSchema202012ExpandDeepButton: Nothing,
    },
    wrapComponents: {
      // The description says what a pattern means.
      JSONSchema202012KeywordConstraint: (Original) => (props) =>
        props.constraint.value.startsWith('matches ') ? null : element(Original, props),
      JSONSchema202012KeywordType: (Original) => (props) => {
        const kinds = nameKinds(props.schema ?? {})
        return kinds ? element('strong', null, kinds) : element(Original, props)
      },
      JsonSchemaForm: (Original) => (props) =>
        element(
          'div',
          { ref: name('input, select, textarea', 'aria-label', props.description) },
          element(Original, props),
        ),
      TextArea: (Original) => (props) => element(Original, { 'aria-label': 'Request body', ...props }),
      // It scrolls, so the keyboard must reach it.
      HighlightCode: (Original) => (props) =>
        element('div', { ref: name('pre', 'tabindex', '0') }, element(Original, props)),
      InfoContainer: (Original) => (props) =>
        element(
          'section',
          { 'aria-label': 'Introduction' },
          element(Original, props),
          element('div', { className: 'wrapper' }, element('h2', null, 'Operations')),
        ),
      responses: (Original) => (props) =>
        element(
          'div',
          { ref: name('.responses-table', 'aria-label', `Responses of ${props.method} ${props.path}`) },
          element(Original, { ...props, responses: props.responses.filterNot(isError) }),
          element(Errors, { responses: props.responses.filter(isError) }),
        ),
    },
  }
}
