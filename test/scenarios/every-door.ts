import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, type LlmServer, startLlmServer, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { openRawSession, rawModernClient } from '../raw-client.ts'
import type { Booted } from '../boot.ts'

/** One tool of one server, called through a door with these headers and no other credential. Rejects where it was not called. */
export type CallThrough = (gateway: Booted, call: DoorCall) => Promise<void>

export interface DoorCall {
  readonly server: string
  readonly tool: string
  readonly headers: Readonly<Record<string, string>>
}

/** A model, called `gpt`, that calls the one tool it is offered and then is done. */
export function startEagerModel(): Promise<LlmServer> {
  return startLlmServer([
    ({ body: { tools, messages } }) => {
      const [name] = namesIn(tools)
      const again = JSON.stringify(messages).includes('"role":"tool"')
      return {
        json: completion(name === undefined || again ? { content: 'done' } : { tool_calls: [toolCall(name, {})] }),
      }
    },
  ])
}

export const eagerModel = ({ origin }: LlmServer) => ({
  model_name: 'gpt',
  litellm_params: {
    model: 'openai/gpt',
    api_base: origin,
    api_key: 'key-of-the-model',
    use_chat_completions_api: true,
  },
})

function namesIn(tools: unknown): string[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool: unknown) => {
    const named = isJsonObject(tool) ? tool['function'] : undefined
    const name = isJsonObject(named) ? named['name'] : undefined
    return typeof name === 'string' ? [name] : []
  })
}

const asking = (path: string, ask: (tools: JsonObject[]) => object): CallThrough => {
  return async (gateway, { server, headers }) => {
    const entry = {
      type: 'mcp',
      server_label: server,
      server_url: `litellm_proxy/mcp/${server}`,
      require_approval: 'never',
    }
    const answer = await gateway.request(path, { key: null, headers, body: { model: 'gpt', ...ask([entry]) } })
    const text = await answer.text()
    if (answer.status !== 200 || text.includes('"error":{')) throw new Error(`${path}: ${answer.status} ${text}`)
  }
}
const messages = [{ role: 'user', content: 'go' }]

const mcp = (
  client: (options: Parameters<typeof rawModernClient>[0]) => ReturnType<typeof openRawSession>,
): CallThrough => {
  return async ({ fetch }, { server, tool, headers }) => {
    const { ask } = await client({ fetch, url: `http://127.0.0.1:4000/mcp/${server}`, headers })
    const answer = await ask('tools/call', { name: tool, arguments: {} })
    if (answer['error'] !== undefined) throw new Error(JSON.stringify(answer['error']))
  }
}

const rest =
  (path: string, bodyOf: (call: DoorCall) => object): CallThrough =>
  async (gateway, call) =>
    void (await gateway.json(path, { key: null, headers: call.headers, body: bodyOf(call) }))

export const doors: Readonly<Record<string, CallThrough>> = {
  'REST, by server': rest('/mcp-rest/tools/call', ({ server, tool }) => ({ server_id: server, name: tool })),
  'REST, by public name': rest('/mcp/tools/call', ({ server, tool }) => ({ name: `${server}-${tool}` })),
  'MCP with sessions': mcp(openRawSession),
  'MCP of 2026-07-28': mcp(async (options) => rawModernClient(options)),
  'MCP over SSE': async ({ app }, { server, tool, headers }) => {
    await using loopback = await serveOnLoopback((request, env) => app.fetch(request, env))
    const client = new Client({ name: 'test', version: '1' })
    // The stream itself is opened by another library, which takes its headers through a fetch of its own.
    const send: typeof fetch = (url, init) =>
      fetch(url, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), ...headers } })
    await client.connect(new SSEClientTransport(new URL(`${loopback.origin}/sse`), { fetch: send }))
    try {
      await client.callTool({ name: `${server}-${tool}`, arguments: {} })
    } finally {
      await client.close()
    }
  },
  chat: asking('/v1/chat/completions', (tools) => ({ messages, tools })),
  'chat, streamed': asking('/v1/chat/completions', (tools) => ({ messages, tools, stream: true })),
  responses: asking('/v1/responses', (tools) => ({ input: 'go', tools })),
  'messages of Anthropic': asking('/v1/messages', (tools) => ({ messages, max_tokens: 100, tools })),
}
