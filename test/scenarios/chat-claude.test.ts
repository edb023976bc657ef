import { readFileSync } from 'node:fs'
import type { JsonObject } from '@toolgate/core'
import { type LlmServer, message, type ScriptedAnswer, startLlmServer } from '@toolgate/testing/llm-server'
import { type SseMcpServer, startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { mcp, reportOf, toParams } from './chat-world.ts'

/** The case that the project came from: its configuration with nothing changed but where the two parties are. */
const behind = new AsyncDisposableStack()
const virtualKey = 'sk-virtual-key-of-seed-003'
let gateway: Booted
let claude: LlmServer
let database: SseMcpServer
let script: readonly JsonObject[] = []
let asked: JsonObject[] = []

const configuration = readFileSync(new URL('../seeds/003-current-configuration.yaml', import.meta.url), 'utf8')

beforeAll(async () => {
  database = behind.use(await startSseMcpServer())
  claude = behind.use(
    await startLlmServer([
      ({ body }): ScriptedAnswer => {
        asked.push(body)
        return { json: script[Math.min(asked.length, script.length) - 1] ?? {} }
      },
    ]),
  )
  const apiKey = 'api_key: os.environ/ANTHROPIC_API_KEY'
  gateway = behind.use(
    await boot({
      config: configuration
        .replace('http://mcp-postgres:8080/sse', database.url)
        .replace(apiKey, `${apiKey}\n      api_base: ${claude.origin}`),
      env: {
        ANTHROPIC_API_KEY: 'sk-ant-canary',
        LITELLM_VIRTUAL_KEY_TEST: virtualKey,
        // The file wants one; a gateway of a test is given its database.
        DATABASE_URL: 'postgres://nobody@127.0.0.1/unused',
      },
    }),
  )
})
afterAll(() => behind.disposeAsync())

function play(...answers: JsonObject[]) {
  script = answers
  asked = []
}

const toolUse = (name: string, input: JsonObject, id = 'toolu_1') => ({ type: 'tool_use', id, name, input })
const text = (words: string) => ({ type: 'text', text: words })
const client = () =>
  new OpenAI({ apiKey: virtualKey, baseURL: 'http://toolgate.test/v1', fetch: gateway.fetch, maxRetries: 0 })
const question = { model: 'claude-3-haiku-orchestrator', tools: undefined }

describe('a Claude model, a virtual key with a server, and an OpenAI-shaped request', () => {
  verifies('chat:claude-model', 'run the tool and end with "stop"', async () => {
    play(
      message([text('I ask the database.'), toolUse('db_main-echo', { message: '42 rows' })]),
      message([text('42.')]),
    )
    const answer = await client().chat.completions.create(toParams(question))
    expect(answer).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, finish_reason: 'stop', message: { content: 'I ask the database.\n\n42.' } }],
      usage: { prompt_tokens: 40, completion_tokens: 14, total_tokens: 54 },
    })
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined()
    expect(reportOf(answer.choices[0]?.message)['mcp_call_results']).toEqual([
      { tool_call_id: 'toolu_1', name: 'db_main-echo', result: '42 rows' },
    ])
  })

  verifies('chat:claude-model', 'are told to Claude in its own dialect', async () => {
    play(message([text('Look.'), toolUse('db_main-echo', { message: 'row' })]), message([text('ok')]))
    await client().chat.completions.create(
      toParams({
        ...question,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'go' },
        ],
      }),
    )
    expect(claude.requests.at(-1)).toMatchObject({ path: '/v1/messages', headers: { 'x-api-key': 'sk-ant-canary' } })
    expect(asked[0]).toMatchObject({ model: 'claude-3-haiku-20240307', system: [{ type: 'text', text: 'Be brief.' }] })
    expect(asked[0]?.['tools']).toContainEqual(
      expect.objectContaining({ name: 'db_main-echo', input_schema: expect.objectContaining({ type: 'object' }) }),
    )
    expect(asked[1]?.['messages']).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: [{ type: 'text' }, { type: 'tool_use', id: 'toolu_1', input: { message: 'row' } }],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] },
    ])
    expect(JSON.stringify(asked[1]?.['messages'])).toContain('row')
  })

  verifies('chat:claude-model', 'run parallel calls and several rounds', async () => {
    play(
      message([
        toolUse('db_main-echo', { message: 'a' }, 'toolu_a'),
        toolUse('db_main-count', { steps: 2 }, 'toolu_b'),
      ]),
      message([toolUse('db_main-fail', {}, 'toolu_c')]),
      message([text('done')]),
    )
    const answer = await client().chat.completions.create(toParams(question))
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'done' } })
    expect(reportOf(answer.choices[0]?.message)['mcp_call_results']).toMatchObject([
      { tool_call_id: 'toolu_a', result: 'a' },
      { tool_call_id: 'toolu_b', result: 'counted to 2' },
      { tool_call_id: 'toolu_c', result: 'Error: it did not work' },
    ])
  })

  verifies('chat:claude-model', 'answer at the bound on rounds, although tools were used before', async () => {
    play(message([toolUse('db_main-echo', { message: 'again' })]))
    const answer = await client().chat.completions.create(toParams(question))
    expect(asked).toHaveLength(9)
    // Claude refuses a conversation with tool calls that declares no tools.
    expect(asked[8]).toMatchObject({ tool_choice: { type: 'none' } })
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop' })
  })

  verifies('chat:claude-model', 'send no key to a party that it is not for', async () => {
    play(message([toolUse('db_main-whoami', {})]), message([text('ok')]))
    const answer = await client().chat.completions.create(toParams({ ...question, tools: mcp() }))
    expect(reportOf(answer.choices[0]?.message)['mcp_call_results']).toMatchObject([{ result: 'nobody' }])
    const toClaude = JSON.stringify(claude.requests)
    const toDatabase = JSON.stringify(database.requests)
    for (const foreign of [virtualKey, gateway.masterKey]) {
      expect(toClaude).not.toContain(foreign)
      expect(toDatabase).not.toContain(foreign)
    }
    expect(toDatabase).not.toContain('sk-ant-canary')
    expect(toClaude).toContain('sk-ant-canary')
  })

  verifies('chat:claude-model', 'are refused for another model', async () => {
    play(message([text('never')]))
    const asking = client().chat.completions.create(toParams({ ...question, model: 'gpt-4o' }))
    await expect(asking).rejects.toMatchObject({ status: 403, message: expect.stringContaining('key not allowed') })
    expect(asked).toEqual([])
  })
})
