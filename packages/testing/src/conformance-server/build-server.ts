import { McpServer } from '@modelcontextprotocol/server'
import { askingTools } from './asking-tools.ts'
import type { ChangingOffer } from './changing-offer.ts'
import { contentTools } from './content-tools.ts'
import { diagnosticTools, extraTool } from './diagnostic-tools.ts'
import { inputRequiredTools, requestStates } from './input-required-tools.ts'
import { addPrompts } from './prompts.ts'
import { addResources } from './resources.ts'
import { talkingTools } from './talking-tools.ts'

const constantTools = [...contentTools, ...talkingTools, ...askingTools, ...inputRequiredTools, ...diagnosticTools]

/** One server object: for a session, or for one request of 2026-07-28. */
export function buildServer(offer: ChangingOffer): McpServer {
  const listChanged = { listChanged: true }
  const server = new McpServer(
    { name: 'conformance-fixture', title: 'Conformance fixture', version: '1.0.0' },
    {
      capabilities: {
        logging: {},
        completions: {},
        tools: listChanged,
        prompts: listChanged,
        resources: { ...listChanged, subscribe: true },
      },
      instructions: 'Everything the conformance suite asks for.',
      requestState: { verify: requestStates.verify },
    },
  )
  for (const tool of offer.extraTool ? [...constantTools, extraTool] : constantTools) {
    const { name, description, inputSchema, outputSchema } = tool
    const config = { description, inputSchema, ...(outputSchema !== undefined && { outputSchema }) }
    server.registerTool(name, config, (args, context) =>
      tool.run({ args, context, offer, capabilities: server.server.getClientCapabilities() ?? {} }),
    )
  }
  addResources(server)
  addPrompts(server, offer)
  return server
}
