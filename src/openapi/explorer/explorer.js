// @ts-nocheck: plain JavaScript for the browser.

SwaggerUIStandalonePreset.push(loginPlugin, readingPlugin, snippetsPlugin, tryingPlugin)
