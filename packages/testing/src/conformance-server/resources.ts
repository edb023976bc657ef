import { type McpServer, ResourceNotFoundError, ResourceTemplate } from '@modelcontextprotocol/server'
import { pixel } from './media.ts'

export const watchedResource = 'test://watched-resource'

const resources = {
  'static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'static-binary': { mimeType: pixel.mimeType, blob: pixel.data },
  'watched-resource': { mimeType: 'text/plain', text: 'Watch me.' },
}

export function addResources(server: McpServer): void {
  for (const [name, { mimeType, ...content }] of Object.entries(resources)) {
    const uri = `test://${name}`
    server.registerResource(name, uri, { description: `The resource ${name}.`, mimeType }, () => ({
      contents: [{ uri, mimeType, ...content }],
    }))
  }

  const template = new ResourceTemplate('test://template/{id}/data', {
    list: undefined,
    complete: { id: (typed) => ['123', '124', '200'].filter((id) => id.startsWith(typed)) },
  })
  const described = { description: 'Data of an id.', mimeType: 'application/json' }
  server.registerResource('template-data', template, described, (uri, { id }) => {
    if (typeof id !== 'string') throw new ResourceNotFoundError(uri.href)
    const data = { id, templateTest: true, data: `Data for ID: ${id}` }
    return { contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify(data) }] }
  })
}
