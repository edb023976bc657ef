import { acceptedContent, inputRequired } from '@modelcontextprotocol/server'
import { type FixtureTool, takes, text } from './fixture-tool.ts'
import { askModel, askName } from './input-requests.ts'
import { watchedResource } from './resources.ts'

/** Tools through which the suite makes the server do what it cannot otherwise be seen doing. */
export const diagnosticTools: readonly FixtureTool[] = [
  {
    name: 'test_missing_capability',
    description: 'Needs sampling; a client that did not declare it is refused by the SDK.',
    inputSchema: takes({}),
    run({ context }) {
      if (context.mcpReq.inputResponses !== undefined) return text('The client can sample.')
      return inputRequired({ inputRequests: { greeting: askModel('Generate a greeting', 50) } })
    },
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Speaks on its stream, then asks in its result.',
    inputSchema: takes({}),
    async run({ context: { mcpReq } }) {
      const progressToken = mcpReq._meta?.progressToken
      if (progressToken !== undefined) {
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1 } })
      }
      const name = acceptedContent(mcpReq.inputResponses, 'user_name')?.['name']
      if (typeof name !== 'string') return inputRequired({ inputRequests: { user_name: askName } })
      return text(`Hello, ${name}!`)
    },
  },
  {
    name: 'test_x_mcp_header',
    description: 'Has an argument that is repeated in a header.',
    inputSchema: takes({ region: { type: 'string', 'x-mcp-header': 'Region' } }),
    run: ({ args }) => text(`Region ${String(args['region'])}`),
  },
  {
    name: 'test_trigger_tool_change',
    description: 'Adds a tool, or takes it away.',
    inputSchema: takes({}),
    run({ offer }) {
      offer.toggleTool()
      return text('The tools changed.')
    },
  },
  {
    name: 'test_trigger_prompt_change',
    description: 'Adds a prompt, or takes it away.',
    inputSchema: takes({}),
    run({ offer }) {
      offer.togglePrompt()
      return text('The prompts changed.')
    },
  },
  {
    name: 'test_trigger_resource_update',
    description: 'Tells those who watch it that the watched resource changed.',
    inputSchema: takes({}),
    async run({ offer }) {
      await offer.touch(watchedResource)
      return text('The resource changed.')
    },
  },
]

/** The one that comes and goes. */
export const extraTool: FixtureTool = {
  name: 'test_dynamic_tool',
  description: 'Is not always there.',
  inputSchema: takes({}),
  run: () => text('Here for now.'),
}
