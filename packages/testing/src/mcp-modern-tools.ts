import { inputRequired, type ServerContext } from '@modelcontextprotocol/server'
import { isJsonObject } from '@toolgate/core'
import { confirmForm } from './mcp-tools.ts'

/** Tools of the SDK-built server that only the modern era has, or that it has in another way. */
export const modernTools = [
  {
    name: 'region',
    description: 'Returns the region, which also travels as a header.',
    inputSchema: {
      type: 'object' as const,
      properties: { region: { type: 'string' as const, 'x-mcp-header': 'Region' } },
    },
  },
  { name: 'interview', description: 'Asks twice, then knows both.', inputSchema: { type: 'object' as const } },
  { name: 'link', description: 'Asks the user to open an address.', inputSchema: { type: 'object' as const } },
  { name: 'sample', description: 'Asks the model of the client.', inputSchema: { type: 'object' as const } },
  { name: 'roots', description: 'Asks for the roots of the client.', inputSchema: { type: 'object' as const } },
  { name: 'log', description: 'Says something in the log.', inputSchema: { type: 'object' as const } },
  { name: 'capabilities', description: 'Returns what the client can do.', inputSchema: { type: 'object' as const } },
]

const nameForm = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const } },
  required: ['name'],
}

type Answer = { content: { type: 'text'; text: string }[] } | ReturnType<typeof inputRequired>

/** Undefined for the tools that are the same in both eras. */
export async function callModernTool(
  name: string,
  args: Readonly<Record<string, unknown>>,
  { mcpReq }: ServerContext,
): Promise<Answer | undefined> {
  const { inputResponses: given = {} } = mcpReq
  switch (name) {
    case 'region':
      return text(String(args['region']))
    case 'confirm':
      return 'sure' in given ? text(JSON.stringify(given['sure'])) : ask({ sure: form('Sure?', confirmForm) })
    case 'link':
      return 'open' in given
        ? text(JSON.stringify(given['open']))
        : ask({ open: inputRequired.elicitUrl({ message: 'Sign in', url: 'https://sign-in.example' }) })
    case 'interview':
      return interview(given, mcpReq.requestState())
    case 'sample':
      return 'said' in given ? text(JSON.stringify(given['said'])) : ask({ said: question })
    case 'roots':
      return 'roots' in given ? text(JSON.stringify(given['roots'])) : ask({ roots: inputRequired.listRoots() })
    case 'log':
      await mcpReq.log('warning', 'something happened')
      return text('logged')
    case 'capabilities':
      return text(JSON.stringify(mcpReq.envelope ?? {}))
    default:
      return undefined
  }
}

/** The first answer travels in the state alone, so it is lost where the state is. */
function interview(given: Readonly<Record<string, unknown>>, state: unknown): Answer {
  if (isJsonObject(given['second'])) return text(JSON.stringify([state, given['second']['content']]))
  if (isJsonObject(given['first'])) {
    const requestState = JSON.stringify(given['first']['content'])
    return inputRequired({ inputRequests: { second: form('And the second?', nameForm) }, requestState })
  }
  return ask({ first: form('The first?', nameForm) })
}

const question = inputRequired.createMessage({
  messages: [{ role: 'user', content: { type: 'text', text: 'Who are you?' } }],
  maxTokens: 10,
})

function form(message: string, requestedSchema: typeof confirmForm | typeof nameForm) {
  return inputRequired.elicit({ message, requestedSchema })
}

function ask(inputRequests: NonNullable<Parameters<typeof inputRequired>[0]['inputRequests']>): Answer {
  return inputRequired({ inputRequests, requestState: 'asked' })
}

function text(said: string): Answer {
  return { content: [{ type: 'text', text: said }] }
}
