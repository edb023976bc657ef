import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { Booted } from '../../boot.ts'

/** The official clients, as one thing: what each of them can be made to do, and what it has heard. */
export interface EraClient extends AsyncDisposable {
  readonly heard: Heard
  /** What the endpoint says it can do. */
  capabilities(): object
  tools(): Promise<readonly string[]>
  /** The result as text. Rejects as the client does. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<string>
  prompts(): Promise<string>
  prompt(name: string): Promise<string>
  resources(): Promise<string>
  templates(): Promise<string>
  read(uri: string): Promise<string>
  complete(ref: CompletionRef, argument: { name: string; value: string }): Promise<string>
  /** From now on it wants all logs. */
  wantLogs(): Promise<void>
  subscribe(uri: string): Promise<void>
  listenToTools(): Promise<void>
}

export type CompletionRef = { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string }

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onprogress?: (progress: { progress: number }) => void
}

export interface Heard {
  readonly logs: unknown[]
  readonly updated: string[]
  tools: number
  /** How often it was asked for anything. */
  asked: number
}

export interface ConnectOptions {
  readonly gateway: Booted
  readonly path: string
  /** Whether it can be asked for input, a model's words and roots. */
  readonly asked: boolean
}

export type ConnectEra = (options: ConnectOptions) => Promise<EraClient>

const info = { name: 'era', version: '1' }
const askable = { elicitation: {}, sampling: {}, roots: {} }
/** What every client answers with, so that a server's result shows it. */
const answers = {
  form: { action: 'accept' as const, content: { name: 'Ada' } },
  said: { model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'said by the model' } },
  roots: { roots: [{ uri: 'file:///home/ada', name: 'home of Ada' }] },
}

/** `listens` resolves once the stream for news is open, which the SDKs do not wait for. */
function reach({ gateway, path }: ConnectOptions) {
  const { promise: listens, resolve } = Promise.withResolvers<void>()
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const response = await gateway.fetch(input, init)
    if (init?.method === 'GET' && response.ok) resolve()
    return response
  }
  const requestInit = { headers: { 'x-litellm-api-key': gateway.masterKey } }
  return { to: [new URL(path, 'http://gateway.test'), { fetch, requestInit }] as const, listens }
}

/** Answers, and counts that it was asked. */
const answering = <Answer>(heard: Heard, answer: Answer) =>
  async function answerIt() {
    heard.asked += 1
    return answer
  }

const said = (result: unknown) => JSON.stringify(result)

/** The maintenance line of the SDK. */
export const connectV1: ConnectEra = async (options) => {
  const client = new Client(info, { capabilities: options.asked ? askable : {} })
  const heard: Heard = { logs: [], updated: [], tools: 0, asked: 0 }
  if (options.asked) {
    client.setRequestHandler(ElicitRequestSchema, answering(heard, answers.form))
    client.setRequestHandler(CreateMessageRequestSchema, answering(heard, answers.said))
    client.setRequestHandler(ListRootsRequestSchema, answering(heard, answers.roots))
  }
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.logs.push(params.data))
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.updated.push(params.uri))
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (heard.tools += 1))
  const { to, listens } = reach(options)
  await client.connect(new StreamableHTTPClientTransport(...to))
  return {
    heard,
    capabilities: () => client.getServerCapabilities() ?? {},
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, how = {}) => said(await client.callTool({ name, arguments: args }, undefined, how)),
    prompts: async () => said(await client.listPrompts()),
    prompt: async (name) => said(await client.getPrompt({ name })),
    resources: async () => said(await client.listResources()),
    templates: async () => said(await client.listResourceTemplates()),
    read: async (uri) => said(await client.readResource({ uri })),
    complete: async (ref, argument) => said(await client.complete({ ref, argument })),
    wantLogs: async () => void (await client.setLoggingLevel('debug')),
    subscribe: async (uri) => void (await client.subscribeResource({ uri })),
    listenToTools: () => listens,
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** The current line, in sessions or, `modern`, in the era without them. */
const connectV2 =
  (modern: boolean): ConnectEra =>
  async (options) => {
    const mode = modern ? { pin: '2026-07-28' } : ('legacy' as const)
    const client = new Client2(info, { capabilities: options.asked ? askable : {}, versionNegotiation: { mode } })
    const heard: Heard = { logs: [], updated: [], tools: 0, asked: 0 }
    if (options.asked) {
      client.setRequestHandler('elicitation/create', answering(heard, answers.form))
      client.setRequestHandler('sampling/createMessage', answering(heard, answers.said))
      client.setRequestHandler('roots/list', answering(heard, answers.roots))
    }
    client.setNotificationHandler('notifications/message', ({ params }) => void heard.logs.push(params.data))
    client.setNotificationHandler(
      'notifications/resources/updated',
      ({ params }) => void heard.updated.push(params.uri),
    )
    client.setNotificationHandler('notifications/tools/list_changed', () => void (heard.tools += 1))
    const { to, listens } = reach(options)
    await client.connect(new Transport2(...to))
    let meta = {}
    return {
      heard,
      capabilities: () => client.getServerCapabilities() ?? {},
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, args = {}, how = {}) => said(await client.callTool({ name, arguments: args, ...meta }, how)),
      prompts: async () => said(await client.listPrompts()),
      prompt: async (name) => said(await client.getPrompt({ name })),
      resources: async () => said(await client.listResources()),
      templates: async () => said(await client.listResourceTemplates()),
      read: async (uri) => said(await client.readResource({ uri })),
      complete: async (ref, argument) => said(await client.complete({ ref, argument })),
      async wantLogs() {
        // In this era each request says for itself what it wants.
        if (modern) meta = { _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } }
        else await client.setLoggingLevel('debug')
      },
      async subscribe(uri) {
        if (!modern) {
          await client.subscribeResource({ uri })
          return
        }
        const { honoredFilter } = await client.listen({ resourceSubscriptions: [uri] })
        if (honoredFilter.resourceSubscriptions?.includes(uri) !== true) throw new Error('the filter leaves it out')
      },
      async listenToTools() {
        if (modern) await client.listen({ toolsListChanged: true })
        else await listens
      },
      [Symbol.asyncDispose]: () => client.close(),
    }
  }

export const eraClients = {
  'SDK v1': connectV1,
  'SDK v2, sessions': connectV2(false),
  'SDK v2, 2026-07-28': connectV2(true),
} as const satisfies Record<string, ConnectEra>

export type EraClientName = keyof typeof eraClients
