import type { Client } from '@modelcontextprotocol/client'
import type { JsonObject } from '@toolgate/core'
import { z } from 'zod'

/** What the person in front of the gateway does in a scenario. */
type Steps = (client: Client, context: JsonObject) => Promise<unknown>

const anyTools = z.object({ tools: z.array(z.looseObject({ name: z.string() })) })
const anyCalls = z.array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }))

const list: Steps = (client) => client.listTools()

/** As they were listed, without the SDK's own opinion of them. */
const callWhateverIsListed: Steps = async (client) => {
  const { tools } = await client.request({ method: 'tools/list' }, anyTools)
  for (const { name } of tools) await client.callTool({ name, arguments: { region: 'eu' } })
}

const touchEverything: Steps = async (client) => {
  const { tools } = await client.listTools()
  for (const { name } of tools) await client.callTool({ name, arguments: {} })
  const { resources } = await client.listResources()
  for (const { uri } of resources) await client.readResource({ uri })
  const { prompts } = await client.listPrompts()
  for (const { name } of prompts) await client.getPrompt({ name })
}

/** The scenarios of the client suites that are about the protocol; those about signing in are in `client-sign-in.ts`. */
export const clientScenarios: Readonly<Record<string, Steps>> = {
  initialize: list,
  tools_call: async (client) => {
    await client.listTools()
    await client.callTool({ name: 'add_numbers', arguments: { a: 5, b: 3 } })
  },
  'elicitation-sep1034-client-defaults': (client) =>
    client.callTool({ name: 'test_client_elicitation_defaults', arguments: {} }),
  'sse-retry': (client) => client.callTool({ name: 'test_reconnection', arguments: {} }),
  'request-metadata': list,
  'http-standard-headers': touchEverything,
  'http-custom-headers': async (client, { toolCalls }) => {
    await client.listTools()
    for (const call of anyCalls.parse(toolCalls)) await client.callTool(call)
  },
  'http-invalid-tool-headers': callWhateverIsListed,
  'json-schema-ref-no-deref': list,
  'sep-2322-client-request-state': callWhateverIsListed,
  'json-schema-2020-12-preservation': async (client) => {
    const { tools } = await client.request({ method: 'tools/list' }, anyTools)
    const schema = tools.find(({ name }) => name === 'json_schema_2020_12_tool')?.['inputSchema']
    await client.callTool({ name: 'json_schema_echo', arguments: { schema } })
  },
}
