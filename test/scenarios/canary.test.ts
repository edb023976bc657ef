import type { JsonObject } from '@toolgate/core'
import { completion, type LlmServer, message, startLlmServer, toolCall } from '@toolgate/testing/llm-server'
import { type RawAnswer, type RawMcpServer, type RawRequest, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** Every credential of this file and the one party that may see it; what a request holds is added where it is made. */
const secrets = {
  'canary-static-token': 'static',
  'canary-static-header': 'static',
  'canary-client-secret': 'token endpoint',
  'canary-minted-token': 'm2m',
  'canary-discovery-token': 'm2m-listed-otherwise',
  'canary-provider-key': 'openai',
  'canary-anthropic-key': 'anthropic',
} as const

interface World extends AsyncDisposable {
  readonly gateway: Booted
  readonly mcp: Readonly<Record<'static' | 'm2m' | 'm2m-listed-otherwise' | 'delegate' | 'greedy', RawMcpServer>>
  readonly tokens: OauthServer
  readonly openai: LlmServer
  readonly anthropic: LlmServer
  /** Party → everything that it received, also what was wrapped in base64 or percent signs. */
  received(): ReadonlyMap<string, string>
  /** What the gateway wrote since `startOver`: log lines, and answers with their headers. */
  readonly said: readonly string[]
  startOver(): void
  send(path: string, options?: Parameters<Booted['request']>[1]): Promise<Response>
}

/** Headers that a careless operator lists for a server: everything a credential could come in. */
const credentialHeaders = [
  'x-litellm-api-key',
  'x-litellm-key',
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
]
const listedHeaders = [...credentialHeaders, 'cookie', 'x-other', 'referer', 'user-agent', 'x-mcp-auth']

async function startWorld(): Promise<World> {
  const stack = new AsyncDisposableStack()
  const raw = async () => stack.use(await startRawMcpServer())
  const mcp = {
    static: await raw(),
    m2m: await raw(),
    'm2m-listed-otherwise': await raw(),
    delegate: await raw(),
    greedy: await raw(),
  }
  const tokens = stack.use(await startOauthServer())
  tokens.answer(() => ({ body: { access_token: 'canary-minted-token', token_type: 'Bearer', expires_in: 3600 } }))
  const openai = stack.use(await startLlmServer([({ body }) => ({ json: answerOf(body) })]))
  const anthropic = stack.use(await startLlmServer([{ json: message([{ type: 'text', text: 'done' }]) }]))
  const log = recordingLog()
  const client = {
    auth_type: 'oauth2',
    token_url: tokens.tokenUrl,
    client_id: 'id',
    client_secret: 'canary-client-secret',
  }
  const gateway = stack.use(
    await boot({
      log,
      config: {
        mcp_servers: {
          static: {
            url: mcp.static.url,
            auth_type: 'bearer_token',
            auth_value: 'canary-static-token',
            static_headers: { 'x-static': 'canary-static-header' },
          },
          m2m: { url: mcp.m2m.url, ...client },
          'm2m-listed-otherwise': {
            url: mcp['m2m-listed-otherwise'].url,
            auth_type: 'oauth_delegate',
            discovery_auth: { auth_type: 'bearer_token', auth_value: 'canary-discovery-token' },
          },
          delegate: { url: mcp.delegate.url, auth_type: 'oauth_delegate' },
          greedy: { url: mcp.greedy.url, extra_headers: listedHeaders },
        },
        model_list: [
          {
            model_name: 'gpt',
            litellm_params: { model: 'openai/gpt', api_base: openai.origin, api_key: 'canary-provider-key' },
          },
          {
            model_name: 'claude',
            litellm_params: { model: 'anthropic/claude', api_base: anthropic.origin, api_key: 'canary-anthropic-key' },
          },
        ],
      },
    }),
  )
  const answers: string[] = []
  let past = { lines: 0, answers: 0 }
  return {
    gateway,
    mcp,
    tokens,
    openai,
    anthropic,
    received: () =>
      new Map([
        ...Object.entries(mcp).map(
          ([name, { requests }]) => [name, opened(requests.map(({ raw: text }) => text))] as const,
        ),
        ['token endpoint', opened(tokens.requests.map(({ raw: text }) => text))],
        ['openai', opened(openai.requests.map((request) => JSON.stringify(request)))],
        ['anthropic', opened(anthropic.requests.map((request) => JSON.stringify(request)))],
      ]),
    get said() {
      return [...log.lines.slice(past.lines), ...answers.slice(past.answers)].map((text) => opened([text]))
    },
    startOver() {
      past = { lines: log.lines.length, answers: answers.length }
    },
    async send(path, options) {
      const response = await gateway.request(path, options)
      answers.push(`${JSON.stringify([...response.headers])} ${await response.clone().text()}`)
      return response
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** The first round asks for a tool of each server that is offered, the second answers. */
function answerOf({ messages, tools }: JsonObject) {
  const offered = JSON.stringify(tools ?? [])
  const calls = ['static', 'm2m', 'delegate', 'greedy']
    .map((server) => `${server}-echo`)
    .filter((name) => offered.includes(`"${name}"`))
    .map((name) => toolCall(name, { say: 'hello' }))
  const again = JSON.stringify(messages).includes('"role":"tool"')
  return completion(calls.length === 0 || again ? { content: 'done' } : { tool_calls: calls })
}

/** A text with what is hidden in it by `Basic`, base64 or percent signs made readable behind it. */
function opened(texts: readonly string[]): string {
  const text = texts.join('\n')
  const encoded = text.match(/[A-Za-z0-9+/=_-]{16,}/g) ?? []
  const decoded = encoded.map((part) => Buffer.from(part, 'base64').toString('latin1'))
  return [
    text,
    ...decoded,
    text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  ].join('\n')
}

function whoSaw(world: World, secret: string): string[] {
  return [...world.received()].flatMap(([party, text]) => (text.includes(secret) ? [party] : []))
}

const everyTool = [{ type: 'mcp', server_url: 'litellm_proxy', require_approval: 'never' }]
const chat = (model: string, tools: readonly object[] = everyTool) => ({
  model,
  tools,
  messages: [{ role: 'user', content: 'go' }],
})

interface Everywhere {
  readonly headers: Record<string, string>
  /** Of the chat request's own `tools` entries. */
  readonly entryHeaders?: Record<string, string>
  /** Whose tools the chat requests use. */
  readonly chatServers?: readonly string[]
}

/** Every door once. Answers the statuses of the chat requests whose model calls a tool of each server. */
async function throughEveryDoor(
  world: World,
  { headers, entryHeaders = {}, chatServers = ['static', 'm2m', 'greedy'] }: Everywhere,
) {
  const options = { key: null, headers }
  for (const path of [
    '/mcp-rest/tools/list',
    '/mcp-rest/tools/list?server_id=delegate',
    '/mcp/tools/list',
    '/v1/mcp/tools',
    '/v1/mcp/server',
    '/v1/mcp/server/health',
    '/v1/models',
    '/key/info',
    '/metrics',
    '/health/backlog',
    '/no/such/route',
  ]) {
    await world.send(path, options)
  }
  for (const server of Object.keys(world.mcp)) {
    const call = { name: 'echo', arguments: { say: 'hello' } }
    await world.send('/mcp-rest/tools/call', { ...options, body: { ...call, server_id: server } })
    await world.send('/mcp/tools/call', { ...options, body: { ...call, name: `${server}-echo` } })
  }
  const [everything] = everyTool
  const tools = chatServers.map((name) => ({
    ...everything,
    server_url: `litellm_proxy/mcp/${name}`,
    headers: entryHeaders,
  }))
  const statuses: number[] = []
  for (const body of [chat('gpt', tools), { ...chat('gpt', tools), stream: true }, chat('claude', tools)]) {
    const { status } = await world.send('/v1/chat/completions', { ...options, body })
    statuses.push(status)
  }
  for (const model of ['gpt', 'claude']) {
    await world.send('/v1/chat/completions', { ...options, body: { ...chat(model, []), stream: true } })
  }
  return statuses
}

describe('with well-behaved parties', () => {
  let world: World
  let key: string
  beforeAll(async () => {
    world = await startWorld()
    key = await world.gateway.makeKey({ object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
  })
  beforeEach(() => world.startOver())
  afterAll(() => world[Symbol.asyncDispose]())

  /** The same key in every place where a client could put it beside the one that counts. */
  const everywhere = (secret: string): Record<string, string> => ({
    authorization: `Bearer ${secret}`,
    'api-key': secret,
    'x-api-key': secret,
    'x-goog-api-key': secret,
    'x-mcp-auth': `Bearer ${secret}`,
    'x-mcp-delegate-authorization': `Bearer ${secret}`,
    'x-mcp-greedy-authorization': `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`,
    'x-mcp-greedy-x-token': secret,
    'x-mcp-static-authorization': `Token ${secret}`,
    'x-mcp-servers': secret,
    cookie: `sid=${secret}; other=${encodeURIComponent(secret)}`,
    'x-other': `prefix:${secret}`,
    referer: `https://console/?key=${secret}`,
    'user-agent': `agent/${secret}`,
    'x-request-id': secret,
    'mcp-session-id': secret,
  })

  for (const position of credentialHeaders) {
    verifies(
      'identity:gateway-key-stays',
      `a gateway key in ${position}, and everywhere beside it, reaches nobody`,
      async () => {
        for (const secret of [key, world.gateway.masterKey]) {
          const beside = Object.fromEntries(
            Object.entries(everywhere(secret)).filter(
              ([name]) =>
                name !== 'x-mcp-servers' &&
                !credentialHeaders.slice(0, credentialHeaders.indexOf(position)).includes(name),
            ),
          )
          const headers = { ...beside, [position]: `Bearer ${secret}` }
          const statuses = await throughEveryDoor(world, { headers, entryHeaders: everywhere(secret) })
          expect(statuses).toEqual([200, 200, 200])
          await world.send(`/key/${secret}/regenerate`, { key: null, headers: { [position]: secret } })
          await world.send('/v1/chat/completions', {
            key: null,
            headers: { [position]: secret, 'x-mcp-servers': 'greedy' },
            body: { ...chat('gpt'), tools: [] },
          })
        }
        expect(world.mcp.greedy.received('tools/call').length).toBeGreaterThan(0)
        expect(world.openai.requests.length).toBeGreaterThan(0)
        for (const secret of [key, world.gateway.masterKey]) {
          expect(whoSaw(world, secret)).toEqual([])
          expect(world.said.filter((text) => text.includes(secret))).toEqual([])
        }
      },
    )
  }

  verifies(
    'identity:gateway-key-stays',
    'the master key reaches nobody even beside the virtual key that counts',
    async () => {
      const { masterKey } = world.gateway
      const headers = { ...everywhere(masterKey), 'x-litellm-api-key': key }
      const statuses = await throughEveryDoor(world, {
        headers: { ...headers, 'x-mcp-servers': 'greedy' },
        entryHeaders: everywhere(masterKey),
      })
      expect(statuses).toEqual([200, 200, 200])
      expect(whoSaw(world, masterKey)).toEqual([])
      expect(world.said.filter((text) => text.includes(masterKey))).toEqual([])
    },
  )

  verifies(
    'identity:gateway-key-stays',
    'another key of this gateway reaches nobody, and another vendor’s key that looks alike arrives',
    async () => {
      const other = await world.gateway.makeKey({ key_alias: 'somebody-elses' })
      const statuses = await throughEveryDoor(world, {
        headers: { ...everywhere(other), 'x-mcp-servers': 'greedy', 'x-litellm-api-key': key },
        entryHeaders: everywhere(other),
      })
      expect(statuses).toEqual([200, 200, 200])
      expect(whoSaw(world, other)).toEqual([])
      const vendors = 'sk-proj-canary-of-another-vendor'
      await throughEveryDoor(world, { headers: { authorization: `Bearer ${vendors}`, 'x-litellm-api-key': key } })
      expect(whoSaw(world, vendors)).toEqual(['m2m-listed-otherwise', 'delegate', 'greedy'])
    },
  )

  verifies('identity:gateway-key-stays', 'what is meant for one party reaches that party and no other', async () => {
    const brought = {
      'canary-callers-bearer': { header: 'authorization', parties: ['m2m-listed-otherwise', 'delegate', 'greedy'] },
      'canary-for-delegate': { header: 'x-mcp-delegate-x-token', parties: ['delegate'] },
      'canary-cookie': { header: 'cookie', parties: ['greedy'] },
      'canary-other': { header: 'x-other', parties: ['greedy'] },
      'canary-nobody': { header: 'x-nobody-listed-this', parties: [] },
    }
    const headers = Object.fromEntries(
      Object.entries(brought).map(([secret, { header }]) => [
        header,
        header === 'cookie' ? `sid=${secret}` : `Bearer ${secret}`,
      ]),
    )
    const statuses = await throughEveryDoor(world, {
      headers: { ...headers, 'x-litellm-api-key': key },
      chatServers: ['static', 'm2m', 'delegate', 'greedy'],
    })
    expect(statuses).toEqual([200, 200, 200])
    for (const [secret, { parties }] of Object.entries(brought)) {
      expect([secret, whoSaw(world, secret)]).toEqual([secret, parties])
      expect(world.said.filter((text) => text.includes(secret))).toEqual([])
    }
    for (const [secret, party] of Object.entries(secrets)) {
      expect([secret, whoSaw(world, secret)]).toEqual([secret, [party]])
      expect(world.said.filter((text) => text.includes(secret))).toEqual([])
    }
  })
})

/** Ways in which a server throws back what it was sent. */
const echoes: Record<string, (request: RawRequest) => RawAnswer> = {
  'a page of HTML': ({ raw }) => ({ status: 500, body: `<pre>${raw}</pre>` }),
  'a JSON-RPC error': ({ message: { id }, raw }) => ({
    body: { jsonrpc: '2.0', id, error: { code: -32000, message: raw, data: { raw, [raw]: 1 } } },
  }),
  'a JSON-RPC error under status 400': ({ message: { id }, raw }) => ({
    status: 400,
    body: { jsonrpc: '2.0', id, error: { code: -32000, message: raw } },
  }),
  'a challenge': ({ headers }) => ({
    status: 401,
    headers: {
      'www-authenticate': `Bearer error="${headers.authorization} ${String(headers['x-static'])} is no good"`,
    },
  }),
  'a refusal': ({ raw }) => ({ status: 403, body: raw }),
  'a redirect': ({ headers }) => ({
    status: 307,
    headers: { location: `http://127.0.0.1:1/${headers.authorization}` },
  }),
  'a text that is no JSON': ({ raw }) => ({ headers: { 'content-type': 'application/json' }, body: raw }),
  'a content type of its own': ({ raw, headers }) => ({
    headers: { 'content-type': `text/${headers.authorization}` },
    body: raw,
  }),
  'an event that is no message': ({ raw }) => ({ events: [`data: ${JSON.stringify(raw)}\n\n`] }),
}

describe('with parties that answer with errors in which they repeat what they were sent', () => {
  let world: World
  let key: string
  beforeAll(async () => {
    world = await startWorld()
    key = await world.gateway.makeKey({ object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
  })
  beforeEach(() => world.startOver())
  afterAll(() => world[Symbol.asyncDispose]())
  const silentAbout = () => {
    for (const secret of [...Object.keys(secrets), key, world.gateway.masterKey]) {
      expect(world.said.filter((text) => text.includes(secret))).toEqual([])
    }
  }

  /** Errors of tools are told to the model: what they repeat must not get there. */
  const noNewParty = () => {
    for (const [secret, party] of Object.entries(secrets)) {
      expect([secret, whoSaw(world, secret).filter((other) => other !== party)]).toEqual([secret, []])
    }
  }

  for (const [name, echo] of Object.entries(echoes)) {
    verifies('identity:gateway-key-stays', `no credential comes back to a caller or into a log: ${name}`, async () => {
      for (const when of ['tools/call', 'any']) {
        for (const server of Object.values(world.mcp)) {
          server.answer((request) => (when === 'any' || request.message['method'] === when ? echo(request) : undefined))
        }
        await throughEveryDoor(world, { headers: { 'x-litellm-api-key': key } })
      }
      silentAbout()
      noNewParty()
      const failed = await world.send('/mcp-rest/tools/call', { key, body: { server_id: 'static', name: 'echo' } })
      expect(failed.status).toBeGreaterThanOrEqual(400)
    })
  }

  it('of the token endpoint, whatever it says', async () => {
    await using own = await startWorld()
    for (const answer of [
      (raw: string) => ({ status: 400, body: { error: 'invalid_client', error_description: raw } }),
      (raw: string) => ({ status: 500, body: raw }),
      (raw: string) => ({ status: 200, body: { access_token: `no header\n${raw}`, token_type: raw } }),
    ]) {
      own.mcp.m2m.answer(() => ({ status: 401 }))
      own.tokens.answer(({ raw }) => answer(raw))
      await own.send('/mcp-rest/tools/call', { body: { server_id: 'm2m', name: 'echo' } })
      await own.send('/v1/mcp/server/health')
      await own.send('/mcp-rest/tools/list?server_id=m2m')
    }
    expect(own.tokens.requests.length).toBeGreaterThan(1)
    expect(own.said.filter((text) => text.includes('canary-'))).toEqual([])
  })

  it.each(['json', 'text'])('of the providers of models: as %s', async (kind) => {
    const echo = ({ headers }: { headers: object }) => {
      const text = `refused: ${JSON.stringify(headers)}`
      return kind === 'text'
        ? { text, status: 401 }
        : { json: { error: { message: text, type: 'x', code: text } }, status: 500 }
    }
    await using openai = await startLlmServer([echo])
    await using anthropic = await startLlmServer([echo])
    const log = recordingLog()
    const params = (model: string, api_base: string, api_key: string) => ({
      model_name: model,
      litellm_params: { model: `${model}/m`, api_base, api_key },
    })
    await using gateway = await boot({
      log,
      config: {
        model_list: [
          params('openai', openai.origin, 'canary-provider-key'),
          params('anthropic', anthropic.origin, 'canary-anthropic-key'),
        ],
      },
    })
    for (const model of ['openai', 'anthropic']) {
      for (const stream of [false, true]) {
        const response = await gateway.request('/v1/chat/completions', { body: { ...chat(model, []), stream } })
        const text = await response.text()
        expect(text).toContain('refused')
        expect(`${text} ${JSON.stringify([...response.headers])}`).not.toMatch(/canary-|sk-master/)
      }
    }
    expect(JSON.stringify([openai.requests, anthropic.requests])).not.toContain(gateway.masterKey)
    expect(log.lines.join('\n')).not.toMatch(/canary-|sk-master/)
  })
})
