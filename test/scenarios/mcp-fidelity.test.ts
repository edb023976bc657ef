import { isJsonObject, type JsonObject } from '@toolgate/core'
import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { openRawSession, type RawClient, rawModernClient } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { oddResults, oddTools } from './mcp-odd-results.ts'

const call = (name: string, args: JsonObject = {}) => ['tools/call', { name, arguments: args }] as const
const read = (uri: string) => ['resources/read', { uri }] as const

/** What the official reference server is asked; whose answers are the same whenever they are asked for. */
const askedOfEverything = [
  ['tools/list', {}],
  ['prompts/list', {}],
  ['resources/list', {}],
  ['resources/templates/list', {}],
  call('echo', { message: 'ünï 🧨 \u0000 "quoted"' }),
  call('echo', {}),
  call('get-sum', { a: 1, b: 2.5 }),
  call('get-structured-content', { location: 'Chicago' }),
  call('get-annotated-message', { messageType: 'error', includeImage: true }),
  call('get-tiny-image'),
  call('get-resource-links', { count: 3 }),
  ['prompts/get', { name: 'simple-prompt' }],
  ['prompts/get', { name: 'args-prompt', arguments: { city: 'Bern', state: 'BE' } }],
  ['prompts/get', { name: 'args-prompt' }],
  read('demo://resource/static/document/features.md'),
  [
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } },
  ],
] as const

const askedOfFixture = [
  ['tools/list', {}],
  ['prompts/list', {}],
  ['resources/list', {}],
  ['resources/templates/list', {}],
  call('test_multiple_content_types'),
  call('test_audio_content'),
  call('test_structured_content'),
  call('test_error_handling'),
  call('json_schema_2020_12_tool', { phone: '1', contactMethod: 'phone' }),
  ['prompts/get', { name: 'test_prompt_with_image' }],
  ['prompts/get', { name: 'test_prompt_with_embedded_resource', arguments: { resourceUri: 'test://x' } }],
  read('test://static-binary'),
  read('test://template/5/data'),
] as const

/** Without what belongs to an exchange and not to an answer: its id, and who answered. */
function payloadOf({ result, error }: JsonObject): JsonObject {
  if (!isJsonObject(result)) return { error: error ?? null }
  const { _meta, ...rest } = result
  return rest
}

const behind = new AsyncDisposableStack()
let gateway: Booted
let direct: Record<'everything' | 'sessions' | 'modern', string>
beforeAll(async () => {
  const everything = behind.use(await startEverything())
  const sessions = behind.use(await startConformanceServer({ eras: 'legacy' }))
  const modern = behind.use(await startConformanceServer({ eras: 'modern' }))
  direct = { everything: everything.url, sessions: sessions.url, modern: modern.url }
  const mcp_servers = Object.fromEntries(Object.entries(direct).map(([name, url]) => [name, { url }]))
  gateway = behind.use(await boot({ config: { mcp_servers } }))
})
afterAll(() => behind.disposeAsync())

const through = (server: string, to: Booted) => ({
  fetch: to.fetch,
  url: `http://gateway.test/${server}/mcp`,
  headers: { 'x-litellm-api-key': to.masterKey },
})

async function expectSame(
  asked: readonly (readonly [string, JsonObject])[],
  [toServer, toGateway]: readonly [RawClient, RawClient],
): Promise<void> {
  for (const [method, params] of asked) {
    const got = payloadOf(await toGateway.ask(method, params))
    expect({ method, params, answer: got }).toEqual({
      method,
      params,
      answer: payloadOf(await toServer.ask(method, params)),
    })
  }
}

describe('what a server sent is, as JSON, what the client gets', () => {
  verifies('mcp:fidelity', 'from the official reference server', async () => {
    const toServer = await openRawSession({ fetch, url: direct.everything })
    await expectSame(askedOfEverything, [toServer, await openRawSession(through('everything', gateway))])
  })

  verifies('mcp:fidelity', 'from a server of 2025-11-25', async () => {
    const toServer = await openRawSession({ fetch, url: direct.sessions })
    await expectSame(askedOfFixture, [toServer, await openRawSession(through('sessions', gateway))])
  })

  verifies('mcp:fidelity', 'from a server of 2026-07-28', async () => {
    const toServer = rawModernClient({ fetch, url: direct.modern })
    await expectSame(askedOfFixture, [toServer, rawModernClient(through('modern', gateway))])
  })

  verifies('mcp:fidelity', 'where it holds what no schema of today knows', async () => {
    let result: JsonObject = {}
    await using server = await startRawMcpServer((request) => {
      if (request.message['method'] === 'tools/list') return { body: resultFor(request, { tools: [...oddTools] }) }
      return request.message['method'] === 'tools/call' ? { body: resultFor(request, result) } : undefined
    })
    await using odd = await boot({ config: { mcp_servers: { odd: { url: server.url } } } })
    const client = await openRawSession(through('odd', odd))
    expect((await client.ask('tools/list'))['result']).toMatchObject({ tools: oddTools })
    for (const [what, odds] of Object.entries(oddResults)) {
      result = odds
      const answer = await client.ask('tools/call', { name: 'plain', arguments: {} })
      expect({ [what]: answer['result'] }).toEqual({ [what]: odds })
    }
  })
})
