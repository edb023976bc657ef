import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlmServer } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { doors, eagerModel, startEagerModel } from './every-door.ts'

/**
 * Every kind of credential through every door: each secret reaches exactly the parties that it is for. Servers are told apart by the
 * path of one upstream; a process writes down what it was started with.
 */
const basic = Buffer.from('canary-basic-user:canary-basic-password').toString('base64')

/** Kind → the secret and its one party, of what an operator wrote. */
const operators: Readonly<Record<string, readonly [secret: string, party: string]>> = {
  bearer_token: ['canary-bearer-token', 'bearer'],
  api_key: ['canary-api-key', 'apikey'],
  basic: [basic, 'basic'],
  authorization: ['canary-authorization', 'whole'],
  token: ['canary-scheme-token', 'token'],
  static_headers: ['canary-static-header', 'written'],
  'client secret': ['canary-client-secret', 'token endpoint'],
  'client-credentials token': ['canary-minted-token', 'machine'],
  'stdio env': ['canary-of-the-environment', 'process'],
  'token of a user': ['canary-of-an-account', 'account'],
  'key of a model': ['key-of-the-model', 'model'],
}

/** Kind → what the user who calls has handed over, and its one party. Beside each lies another user's, which is nobody's. */
const users: Readonly<Record<string, readonly [secret: string, party: string]>> = {
  'key of a user': ['canary-own-key-of-ada', 'brought'],
  'variable in a header': ['canary-variable-of-ada', 'filled'],
  'variable in an environment': ['canary-own-environment-of-ada', 'confined'],
}
const ofBob = (secret: string) => secret.replace('-of-ada', '-of-bob')
const processes = ['process', 'confidant', 'confined']

/** Header → the secret and its parties, of what a request brings. */
const brought: Readonly<Record<string, readonly [value: string, secret: string, ...parties: string[]]>> = {
  'x-mcp-bystander-authorization': ['Bearer canary-by-name', 'canary-by-name', 'bystander'],
  'x-mcp-bystander-x-token': ['canary-token-by-name', 'canary-token-by-name', 'bystander'],
  'x-of-user': ['canary-extra-header', 'canary-extra-header', 'extra'],
  'x-in-template': ['canary-in-template', 'canary-in-template', 'template'],
  'x-in-environment': ['canary-in-environment', 'canary-in-environment', 'confidant'],
  'x-nobodys': ['canary-of-nobody', 'canary-of-nobody'],
  'proxy-authorization': ['Basic canary-hop-by-hop', 'canary-hop-by-hop'],
}
/** Cookie → its parties. */
const cookies: Readonly<Record<string, readonly string[]>> = {
  sid: ['cookies', 'greedy'],
  'other-cookie': ['greedy'],
  // Of the gateway's own sign-in page, which a server that takes all cookies must not have.
  'toolgate-browser': [],
  '__Host-toolgate-browser': [],
}

const folder = mkdtempSync(join(tmpdir(), 'toolgate-canary-'))
const behind = new AsyncDisposableStack()
const log = recordingLog()
let upstream: RawMcpServer
let tokens: OauthServer
let model: LlmServer
let gateway: Booted
let key: string
let past: number

/** Writes what it was started with into a file of its name. */
const writer = (name: string) =>
  scriptedStdio(`
  const asked = (message) => {
    require('node:fs').appendFileSync(${JSON.stringify(join(folder, name))}, JSON.stringify(process.env))
    if (message.method === 'tools/list') answer(message, { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] })
    if (message.method === 'tools/call') answer(message, { content: [] })
  }`)

const at = (name: string) => ({ url: new URL(`/${name}`, upstream.url).href })
const ofUsers = { name: 'OWN', scope: 'user' }
const servers = () => ({
  bearer: { ...at('bearer'), auth_type: 'bearer_token', auth_value: 'canary-bearer-token' },
  apikey: { ...at('apikey'), auth_type: 'api_key', auth_value: 'canary-api-key' },
  basic: { ...at('basic'), auth_type: 'basic', auth_value: 'canary-basic-user:canary-basic-password' },
  whole: { ...at('whole'), auth_type: 'authorization', auth_value: 'Custom canary-authorization' },
  token: { ...at('token'), auth_type: 'token', auth_value: 'canary-scheme-token' },
  written: { ...at('written'), static_headers: { 'x-written': 'canary-static-header' } },
  machine: {
    ...at('machine'),
    auth_type: 'oauth2',
    oauth2_flow: 'client_credentials',
    token_url: tokens.tokenUrl,
    client_id: 'id',
    client_secret: 'canary-client-secret',
  },
  process: { ...writer('process'), env: { SECRET: 'canary-of-the-environment' } },
  account: { ...at('account'), auth_type: 'oauth2', oauth2_flow: 'authorization_code' },
  brought: { ...at('brought'), auth_type: 'api_key', auth_value: 'canary-beside-own-keys', is_byok: true },
  filled: { ...at('filled'), env_vars: [ofUsers], static_headers: { 'X-Filled': 'Key ${OWN}' } },
  confined: { ...writer('confined'), env_vars: [ofUsers], env: { SECRET: 'Key ${OWN}' } },
  bystander: at('bystander'),
  extra: { ...at('extra'), extra_headers: ['X-Of-User'] },
  template: { ...at('template'), static_headers: { 'X-Filled': 'to ${X-IN-TEMPLATE}' } },
  confidant: { ...writer('confidant'), env: { SECRET: '${X-IN-ENVIRONMENT}' } },
  cookies: { ...at('cookies'), auth: { cookie_passthrough: { cookie_names: ['sid', 'toolgate-browser'] } } },
  greedy: { ...at('greedy'), extra_headers: ['cookie'] },
  delegate: { ...at('delegate'), auth_type: 'oauth_delegate' },
})

const everyServer = { mcp_servers: ['all-proxy-mcpservers'] }
/** Sets a user's key and variables. */
async function handOver(owner: string, written: (secret: string) => string) {
  for (const [secret, server] of Object.values(users)) {
    const [path, body] =
      server === 'brought'
        ? ['user-credential', { credential: written(secret) }]
        : ['user-env-vars', { values: { OWN: written(secret) } }]
    await gateway.json(`/v1/mcp/server/${server}/${path}`, { key: owner, body })
  }
}

beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  tokens = behind.use(await startOauthServer())
  tokens.answer(() => ({ body: { access_token: 'canary-minted-token', token_type: 'Bearer', expires_in: 3600 } }))
  model = behind.use(await startEagerModel())
  gateway = behind.use(await boot({ log, config: { mcp_servers: servers(), model_list: [eagerModel(model)] } }))
  key = await gateway.makeKey({ user_id: 'ada', object_permission: everyServer })
  const body = { access_token: 'canary-of-an-account', expires_in: 3600 }
  await gateway.json('/v1/mcp/server/account/oauth-user-credential', { key, body })
  await handOver(key, (secret) => secret)
  await handOver(await gateway.makeKey({ user_id: 'bob', object_permission: everyServer }), ofBob)
})
afterAll(async () => {
  await behind.disposeAsync()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  past = upstream.requests.length
  for (const name of processes) writeFileSync(join(folder, name), '')
})

/** Party → all that it was sent since this test began; what is asked for once, since ever. */
function received(): ReadonlyMap<string, string> {
  const paths = Object.keys(servers()).map((name) => {
    const own = upstream.requests.slice(past).filter(({ path }) => path === `/${name}`)
    return [name, own.map(({ raw }) => raw).join('\n')] as const
  })
  return new Map([
    ...paths,
    ...processes.map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const),
    ['token endpoint', tokens.requests.map(({ raw }) => raw).join('\n')],
    ['model', JSON.stringify(model.requests)],
  ])
}
const whoSaw = (secret: string) => [...received()].flatMap(([party, text]) => (text.includes(secret) ? [party] : []))
const callsWith = (secret: string) =>
  upstream.received('tools/call').flatMap(({ path, raw }) => (raw.includes(secret) ? [path] : []))

const cookieHeader = Object.keys(cookies)
  .map((name) => `${name}=canary-cookie-${name}`)
  .join('; ')

describe('each secret reaches the party it is for and no other', () => {
  for (const [door, call] of Object.entries(doors)) {
    verifies('identity:gateway-key-stays', `through ${door}`, async () => {
      const headers = {
        'x-litellm-api-key': key,
        cookie: cookieHeader,
        ...Object.fromEntries(Object.entries(brought).map(([name, [value]]) => [name, value])),
      }
      for (const server of Object.keys(servers())) {
        if (server === 'delegate') continue
        await call(gateway, { server, tool: 'echo', headers })
      }
      for (const [kind, [secret, party]] of Object.entries(operators)) {
        const isUsed = party !== 'model' || model.requests.length > 0
        expect([kind, whoSaw(secret)]).toEqual([kind, isUsed ? [party] : []])
      }
      for (const [kind, [secret, party]] of Object.entries(users)) {
        expect([kind, whoSaw(secret)]).toEqual([kind, [party]])
        expect([kind, whoSaw(ofBob(secret))]).toEqual([kind, []])
      }
      // What the operator has there is for lists and health of the gateway itself; no call of a user is made with it.
      expect(callsWith('canary-beside-own-keys')).toEqual([])
      for (const [header, [, secret, ...parties]] of Object.entries(brought)) {
        expect([header, whoSaw(secret)]).toEqual([header, parties])
      }
      for (const [name, parties] of Object.entries(cookies)) {
        expect([name, whoSaw(`canary-cookie-${name}`)]).toEqual([name, parties])
      }
      const forwarded = { 'x-litellm-api-key': key, authorization: 'Bearer canary-forwarded' }
      for (const server of ['delegate', 'bearer', 'bystander', 'extra', 'greedy']) {
        await call(gateway, { server, tool: 'echo', headers: forwarded })
      }
      expect(whoSaw('canary-forwarded')).toEqual(['delegate'])
      expect(whoSaw(key)).toEqual([])
      expect(log.lines.filter((line) => /canary-|key-of-the-model/.test(line) || line.includes(basic))).toEqual([])
    })
  }
})
