import type Anthropic from '@anthropic-ai/sdk'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { type CallRow, calls, type Database } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { completionEvents, type LlmServer, type ScriptedAnswer, startLlmServer } from '@toolgate/testing/llm-server'
import type OpenAI from 'openai'
import { expect, vi } from 'vitest'
import { boot, type BootOptions, type Booted } from '../boot.ts'
import { anthropicSdk, openAiSdk } from './sdk-clients.ts'

/** A gateway with one scripted model behind it, asked with the official SDK. */
export interface ChatWorld extends AsyncDisposable {
  readonly gateway: Booted
  readonly llm: LlmServer
  readonly database: Database
  /**
   * What the model answers from now on, one entry per request, past the end the last again; forgets what it was asked. A
   * completion is streamed where a stream is asked for.
   */
  play(...answers: (JsonObject | ScriptedAnswer)[]): void
  /** Bodies of the requests to the model since `play`. */
  readonly asked: readonly JsonObject[]
  /** The official SDK with this key, by default the master key. */
  client(key?: string): OpenAI
  /** Anthropic's, with the master key. */
  anthropic(): Anthropic
  /** One completion of the model `gpt`, by default with every tool of the key, without approval. */
  complete(request?: object, options?: { key?: string; headers?: Record<string, string> }): Promise<Completed>
  /** The ledger rows that match, as soon as there are `count`. */
  rows(count: number, matches: (row: CallRow) => boolean): Promise<readonly CallRow[]>
}

export type Completed = OpenAI.Chat.Completions.ChatCompletion

export interface ChatWorldOptions extends Omit<BootOptions, 'config'> {
  readonly servers?: object
  /** Beside `gpt`, which the scripted model serves. */
  readonly models?: (llm: LlmServer) => object[]
  readonly config?: object
}

export const providerKey = 'sk-provider-canary'

export async function startChatWorld({
  servers = {},
  models = () => [],
  config = {},
  ...options
}: ChatWorldOptions = {}): Promise<ChatWorld> {
  let script: (JsonObject | ScriptedAnswer)[] = []
  let asked: JsonObject[] = []
  const llm = await startLlmServer([
    ({ body }) => {
      asked.push(body)
      const next = script[Math.min(asked.length, script.length) - 1] ?? { text: 'the script is empty', status: 500 }
      if (isScripted(next)) return next
      return body['stream'] === true && next['object'] === 'chat.completion'
        ? { events: completionEvents(next) }
        : { json: next }
    },
  ])
  const database = options.database ?? (await openTestDatabase())
  const gateway = await boot({
    ...options,
    database,
    config: {
      ...config,
      mcp_servers: servers,
      model_list: [
        {
          model_name: 'gpt',
          litellm_params: { model: 'openai/gpt-fake', api_base: `${llm.origin}/v1`, api_key: providerKey },
        },
        ...models(llm),
      ],
    },
  })
  const client: ChatWorld['client'] = (key = gateway.masterKey) => openAiSdk(gateway, { apiKey: key, maxRetries: 0 })

  return {
    gateway,
    llm,
    database,
    client,
    anthropic: () => anthropicSdk(gateway, { maxRetries: 0 }),
    play(...answers) {
      script = answers
      asked = []
    },
    get asked() {
      return asked
    },
    complete: (request = {}, { key, headers = {} } = {}) =>
      client(key).chat.completions.create(toParams(request), { headers }),
    rows(count, matches) {
      return vi.waitFor(
        async () => {
          const all = await database.db.select().from(calls).orderBy(calls.startedAt)
          const rows = all.filter(matches)
          expect(rows.length).toBeGreaterThanOrEqual(count)
          return rows
        },
        { timeout: 5_000, interval: 100 },
      )
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await llm[Symbol.asyncDispose]()
    },
  }
}

/** The SDK's types know neither MCP entries nor what a careless client sends. */
export function toParams(request: object): OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming {
  const defaults = { model: 'gpt', messages: [{ role: 'user', content: 'go' }], tools: mcp() }
  return JSON.parse(JSON.stringify({ ...defaults, ...request }))
}

function isScripted(answer: JsonObject | ScriptedAnswer): answer is ScriptedAnswer {
  return ['json', 'text', 'events', 'pieces', 'bytes', 'hang'].some((kind) => kind in answer)
}

/** `tools` with one MCP entry: without approval and for every server, unless it says otherwise. */
export function mcp(entry: object = {}): object[] {
  return [{ type: 'mcp', server_label: 'litellm', server_url: 'litellm_proxy', require_approval: 'never', ...entry }]
}

/** A function of the client's own. */
export function clientFunction(name: string): object {
  return { type: 'function', function: { name, parameters: { type: 'object', properties: {} } } }
}

/** The gateway's results in a request to the model, in order. */
export function resultsIn(body: JsonObject | undefined): JsonValue[] {
  return messagesIn(body).flatMap((message) => (message['role'] === 'tool' ? [message['content'] ?? null] : []))
}

export function messagesIn(body: JsonObject | undefined): JsonObject[] {
  const messages = body?.['messages']
  return Array.isArray(messages) ? messages.filter(isJsonObject) : []
}

/** Names of the functions that the model was offered. */
export function offeredIn(body: JsonObject | undefined): string[] {
  const tools = body?.['tools']
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool) => {
    const described = isJsonObject(tool) ? tool['function'] : undefined
    return isJsonObject(described) && typeof described['name'] === 'string' ? [described['name']] : []
  })
}

/** What `provider_specific_fields` of an answer's message says. */
export function reportOf(message: object | undefined): JsonObject {
  const fields = message !== undefined && 'provider_specific_fields' in message ? message.provider_specific_fields : {}
  return isJsonObject(fields) ? fields : {}
}
