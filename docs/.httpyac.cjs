// For httpYac. requests.http names the parts of a response as the REST Client of VS Code does, and this resolves them:
// {{name.response.body.$.member}} and {{name.response.headers.Name}}.

const REFERENCE = /\{\{(\w+)\.response\.(?:body\.\$\.(\w+)|headers\.([\w-]+))\}\}/g

module.exports = {
  configureHooks({ hooks }) {
    const resolve = (text, _type, { variables }) => {
      if (typeof text !== 'string') return text
      return text.replaceAll(REFERENCE, (_, name, member, header) =>
        member ? variables[name][member] : variables[`${name}Response`].headers[header.toLowerCase()],
      )
    }
    hooks.replaceVariable.addHook('restClientReference', resolve, { before: ['name'] })
  },
}
