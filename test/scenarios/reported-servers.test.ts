import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, completionEvents, message, messageEvents, toolCall } from '@toolgate/testing/llm-server'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { geminiAnswers } from '@toolgate/testing/provider-answers'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, startChatWorld } from './chat-world.ts'

/** Servers that a request did not name and that are down, as each dialect tells it: relayed, crossed and in the loop. */
const behind = new AsyncDisposableStack()
let world: ChatWorld
let healthyKey: string
let lonelyKey: string
beforeAll(async () => {
  const server = behind.use(await startMcpServer())
  world = behind.use(
    await startChatWorld({
      servers: { srv: { url: server.url }, down: { url: 'http://127.0.0.1:9/mcp' } },
      models: ({ origin }) => [
        { model_name: 'claude', litellm_params: { model: 'anthropic/claude', api_base: origin, api_key: 'sk' } },
        { model_name: 'gemini', litellm_params: { model: 'gemini/gemini', api_base: origin, api_key: 'sk' } },
        {
          model_name: 'words',
          litellm_params: { model: 'openai/x', api_base: `${origin}/v1`, use_chat_completions_api: true },
        },
      ],
      config: {
        virtual_keys: [
          { key: 'sk-both-servers-0123456789', mcp_servers: ['srv', 'down'] },
          { key: 'sk-no-server-up-0123456789', mcp_servers: ['down'] },
        ],
      },
    }),
  )
  healthyKey = 'sk-both-servers-0123456789'
  lonelyKey = 'sk-no-server-up-0123456789'
})
afterAll(() => behind.disposeAsync())

const told = { mcp_server_outcomes: [expect.objectContaining({ server_name: 'down', status: 'unreachable' })] }
const fields = { provider_specific_fields: expect.objectContaining(told) }

/** The data of each event. */
async function events(path: string, body: object, key: string): Promise<JsonObject[]> {
  const response = await world.gateway.request(path, { body, key })
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'))
  return lines.map((line): unknown => JSON.parse(line.slice('data: '.length))).filter(isJsonObject)
}

const said = message([{ type: 'text', text: 'Größe.' }])
const use = message([{ type: 'tool_use', id: 'toolu_1', name: 'srv-echo', input: { message: 'hi' } }])
const call = completion({ content: null, tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'c')] })
const done = completion({ content: 'Größe.' })
const asked = { messages: [{ role: 'user', content: 'go' }], max_tokens: 9 }

describe('a server that is down is told', () => {
  verifies('chat:reports-missing-servers', 'in Messages: relayed, in its rounds, and crossed', async () => {
    for (const [model, key, first, last] of [
      ['claude', lonelyKey, said, said],
      ['claude', healthyKey, use, said],
      ['words', lonelyKey, done, done],
      ['words', healthyKey, call, done],
    ] as const) {
      world.play(...(key === lonelyKey ? [last] : [first, last]))
      const answer = await world.gateway.json('/v1/messages', { body: { model, ...asked }, key })
      expect(answer).toMatchObject({ ...fields, content: [{ text: 'Größe.' }] })

      const stream = model === 'claude' ? messageEvents : completionEvents
      const script = key === lonelyKey ? [last] : [first, last]
      world.play(...script.map((one) => ({ events: stream(one) })))
      const [start, ...rest] = await events('/v1/messages', { model, ...asked, stream: true }, key)
      expect(start).toMatchObject({ type: 'message_start', message: fields })
      expect(JSON.stringify(rest)).toContain('ö')
    }
  })

  verifies('chat:reports-missing-servers', 'in Responses: relayed, crossed, and as a list that failed', async () => {
    for (const key of [lonelyKey, healthyKey]) {
      world.play(...(key === lonelyKey ? [done] : [call, done]))
      const body = { model: 'words', input: 'go' }
      const answer = await world.gateway.json('/v1/responses', { body, key })
      expect(answer).toMatchObject(fields)
      world.play(...(key === lonelyKey ? [done] : [call, done]))
      const streamed = await events('/v1/responses', { ...body, stream: true }, key)
      const ofWhole = streamed.filter(({ type }) => type === 'response.created' || type === 'response.completed')
      expect(ofWhole).toMatchObject([{ response: fields }, { response: fields }])
      const failed = { type: 'mcp_list_tools', server_label: 'down', tools: [], error: expect.any(String) }
      const lists = isJsonObject(answer) && Array.isArray(answer['output']) ? answer['output'] : []
      expect(lists.filter((item) => isJsonObject(item) && item['server_label'] === 'down')).toEqual(
        key === lonelyKey ? [] : [expect.objectContaining(failed)],
      )
      expect(streamed.some(({ type }) => type === 'response.mcp_list_tools.failed')).toBe(key === healthyKey)
    }
  })

  verifies('chat:reports-missing-servers', 'in Gemini’s dialect: relayed and crossed', async () => {
    const body = { contents: [{ parts: [{ text: 'go' }] }] }
    for (const [model, key] of [
      ['gemini', lonelyKey],
      ['words', healthyKey],
    ] as const) {
      const whole = model === 'gemini' ? [geminiAnswers.whole({ text: 'Größe.' })] : [call, done]
      world.play(...whole)
      expect(await world.gateway.json(`/v1beta/models/${model}:generateContent`, { body, key })).toMatchObject(fields)
      world.play(...(model === 'gemini' ? [geminiAnswers.stream({ text: 'Größe.' })] : [call, done]))
      const pieces = await events(`/v1beta/models/${model}:streamGenerateContent?alt=sse`, body, key)
      expect(pieces.at(-1)).toMatchObject(fields)
      expect(JSON.stringify(pieces)).toContain('Größe.')
    }
  })

  verifies('chat:reports-missing-servers', 'and nothing is where no server is missing', async () => {
    world.play({ events: messageEvents(said) })
    const body = { model: 'claude', ...asked, stream: true }
    const relayed = await world.gateway.request('/v1/messages', { body })
    expect(await relayed.text()).toBe(messageEvents(said).join(''))
    world.play(call, done)
    const answer = await world.gateway.json('/v1/messages', {
      body: { model: 'words', ...asked, tools: mcp({ server_url: 'litellm_proxy/mcp/srv' }) },
    })
    expect(JSON.stringify(answer)).not.toContain('mcp_server_outcomes')
  })
})
