import type { JsonObject } from '@toolgate/core'
import type { ListedItem, ListedServer } from '../offer.ts'

/** The two tools that stand for a whole catalog, with LiteLLM's names and arguments. */

export const searchTool = 'mcp_tool_search'
export const callTool = 'mcp_tool_call'

export const defaultTopK = 5
export const maxTopK = 50
/** Characters. */
export const maxQueryLength = 1_000

export function isVirtualTool(name: unknown): name is typeof searchTool | typeof callTool {
  return name === searchTool || name === callTool
}

const definitions: readonly (JsonObject & { readonly name: string })[] = [
  {
    name: searchTool,
    title: 'Search tools',
    description:
      'Finds tools by keywords and answers with their full definitions, the best match first. Search before you say that something cannot be done; then run what you found with mcp_tool_call.',
    inputSchema: {
      type: 'object',
      properties: {
        query: {
          type: 'string',
          maxLength: maxQueryLength,
          description: 'What the tool should do, in a few words, for example "create issue".',
        },
        top_k: {
          type: 'integer',
          minimum: 1,
          maximum: maxTopK,
          default: defaultTopK,
          description: 'How many tools to answer with at most.',
        },
      },
      required: ['query'],
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  {
    name: callTool,
    title: 'Call a tool',
    description: 'Runs a tool that mcp_tool_search found, and answers with its result.',
    inputSchema: {
      type: 'object',
      properties: {
        tool_name: { type: 'string', description: 'The name exactly as mcp_tool_search gave it.' },
        arguments: { type: 'object', description: 'Arguments that fit the inputSchema of that tool.' },
      },
      required: ['tool_name'],
    },
  },
]

/** Stands where lists name a server. It is in no registry: what is sent to it ends in the gateway. */
const server: ListedServer = { id: 'toolgate_tool_search', name: 'toolgate_tool_search', prefix: '', info: {} }

/** Whether a list named this as the server of an item: a request that names it names no server. */
export function isVirtualServer(id: string | undefined): boolean {
  return id === server.id
}

export const virtualItems: readonly ListedItem[] = definitions.map((definition) => ({
  server,
  publicName: definition.name,
  definition,
  runsOthers: true,
}))
