import { createHash } from 'node:crypto'
import type { JsonObject } from '@toolgate/core'
import { type CallRow, calls, type Database } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { type LlmServer } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { openRawSession, rawModernClient } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { doors, eagerModel, startEagerModel } from './every-door.ts'
import { authorizeUrl, base, browse, clientOf, textOf } from './oauth-browser.ts'

const behind = new AsyncDisposableStack()
let database: Database
let upstream: RawMcpServer
let model: LlmServer
let gateway: Booted
let key: string
beforeAll(async () => {
  database = await openTestDatabase()
  upstream = behind.use(await startRawMcpServer())
  model = behind.use(await startEagerModel())
  const tokens = behind.use(await startOauthServer())
  const { url } = upstream
  const client = { token_url: tokens.tokenUrl, client_id: 'id', client_secret: 'secret-of-the-client' }
  const config = {
    mcp_servers: {
      open: { url },
      fixed: { url, auth_type: 'bearer_token', auth_value: 'secret-of-the-operator' },
      machine: { url, auth_type: 'oauth2', oauth2_flow: 'client_credentials', ...client },
      account: { url, auth_type: 'oauth2', oauth2_flow: 'authorization_code' },
      delegate: { url, auth_type: 'oauth_delegate' },
      exchanged: { url, auth_type: 'oauth2_token_exchange', ...client },
      signed: { url, auth_type: 'aws_sigv4', aws_access_key_id: 'id', aws_secret_access_key: 'secret-of-the-operator' },
      gone: { url: 'http://127.0.0.1:1/mcp', auth_type: 'api_key', auth_value: 'secret-of-the-operator' },
    },
    model_list: [eagerModel(model)],
  }
  gateway = behind.use(await boot({ config, database, env: { PROXY_BASE_URL: base } }))
  const grants = { user_id: 'ada', team_id: 'research', key_alias: 'laptop' }
  key = await gateway.makeKey({ ...grants, object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
  const body = { access_token: 'secret-of-the-account', expires_in: 3600 }
  await gateway.json('/v1/mcp/server/account/oauth-user-credential', { key, body })
})
afterAll(() => behind.disposeAsync())

/** One of each kind that clients of the gateway are given, made up. */
const ownTokens = ['tgat', 'tgrt', 'tgac', 'tgcs', 'tgrc', 'tgrr'].map((kind) => `${kind}_${'a-token-'.repeat(5)}`)

/** Rows are written together, once a second. */
const rowsOf = (count: number, matches: (row: CallRow) => boolean) =>
  vi.waitFor(async () => {
    const rows = (await database.db.select().from(calls)).filter(matches)
    if (rows.length < count) throw new Error(`${rows.length} rows of ${count}`)
    return rows
  }, 10_000)
const toolCalls = ({ kind }: CallRow) => kind === 'tool_call'

/** Server → what its row says of the credential. */
const kinds: Readonly<Record<string, readonly [type: string, scope: string]>> = {
  open: ['none', 'shared'],
  fixed: ['bearer_token', 'shared'],
  machine: ['client_credentials', 'shared'],
  account: ['oauth2_user', 'holder'],
  delegate: ['caller', 'holder'],
  exchanged: ['token_exchange', 'holder'],
  signed: ['aws_sigv4', 'shared'],
}

describe('the row of a call says who, with which program, where, as whom and how it ended', () => {
  verifies('ledger:every-field', 'through every door', async () => {
    const expected = Object.entries(doors).flatMap(([door, call]) =>
      Object.entries(kinds).map(([server, credential]) => {
        const requestId = `${door}-${server}`.replaceAll(/[^a-z0-9-]+/gi, '-')
        const headers = {
          'x-litellm-api-key': key,
          'user-agent': 'editor/1.2',
          'x-request-id': requestId,
          ...(['delegate', 'exchanged'].includes(server) && { authorization: 'Bearer secret-of-the-caller' }),
        }
        return { requestId, server, credential, run: () => call(gateway, { server, tool: 'echo', headers }) }
      }),
    )
    await Promise.all(expected.map(({ run }) => run()))
    const rows = await rowsOf(expected.length, (row) => toolCalls(row) && row.client === 'editor/1.2')
    for (const { requestId, server, credential } of expected) {
      const row = rows.find((one) => one.requestId === requestId)
      const [credentialType, credentialScope] = credential
      expect(row).toMatchObject({
        keyHash: createHash('sha256').update(key).digest('hex'),
        keyAlias: 'laptop',
        userId: 'ada',
        teamId: 'research',
        serverId: expect.stringMatching(/./),
        serverName: server,
        targetName: 'echo',
        publicName: expect.stringContaining('echo'),
        credentialType,
        credentialScope,
        outcome: 'ok',
        stage: null,
      })
      expect(row?.durationMs).toBeGreaterThan(0)
      expect(row?.door).toMatch(/^(?:mcp-rest|mcp|chat|messages)$/)
    }
  })

  verifies(
    'ledger:every-field',
    'where it failed the stage as well; and no key that calls itself a program',
    async () => {
      const headers = { 'x-request-id': 'failed', 'user-agent': `agent/${key}` }
      const body = { server_id: 'gone', name: 'echo' }
      await gateway.json('/mcp-rest/tools/call', { key, headers, body, status: 502 })
      expect(await rowsOf(1, ({ requestId }) => requestId === 'failed')).toMatchObject([
        {
          serverName: 'gone',
          credentialType: 'api_key',
          credentialScope: 'shared',
          outcome: 'UPSTREAM_UNREACHABLE',
          stage: 'connect',
          client: null,
        },
      ])
    },
  )

  verifies('ledger:every-field', 'of a client that signed in: which one', async () => {
    const { newClient, exchange } = clientOf(gateway)
    const clientId = await newClient()
    const answer = await browse(gateway).allow(authorizeUrl(clientId), key)
    const { body } = await exchange(textOf(answer.searchParams.get('code')), { client_id: clientId })
    const headers = { authorization: `Bearer ${textOf(body['access_token'])}` }
    await doors['MCP with sessions']?.(gateway, { server: 'open', tool: 'echo', headers })
    const [row] = await rowsOf(1, (row) => toolCalls(row) && row.client === clientId)
    expect(row).toMatchObject({ userId: 'ada', keyAlias: 'laptop', outcome: 'ok' })
  })

  verifies(
    'ledger:every-field',
    'of an MCP client that says nothing better: what it calls itself, in one line',
    async () => {
      const names: readonly (readonly [
        clientInfo: JsonObject,
        userAgent: string | undefined,
        client: string | null,
      ])[] = [
        [{ name: 'Editor of Ada', version: '1.2' }, undefined, 'Editor of Ada/1.2'],
        [{ name: 'Editor of Ada', version: '1.2' }, 'node', 'Editor of Ada/1.2'],
        [{ name: 'Editor of Ada', version: '1.2' }, 'python-httpx/0.28', 'Editor of Ada/1.2'],
        [{ name: 'Editor of Ada', version: '1.2' }, 'agent/7', 'agent/7'],
        [{ name: 'two\r\nlines\u202e', version: ' 1\u0000 ' }, undefined, 'two lines/1'],
        [{ name: 'long'.repeat(100), version: '1' }, undefined, 'long'.repeat(50)],
        [{ name: key, version: '1' }, undefined, null],
        [{ name: `${'x'.repeat(180)} ${key}`, version: '1' }, undefined, null],
        ...ownTokens.map((token) => [{ name: `agent ${token}`, version: '1' }, undefined, null] as const),
        [{ name: 'agent', version: encodeURIComponent(` ${ownTokens.join(' ')}`) }, undefined, null],
        [{ name: '', version: '1' }, undefined, null],
      ]
      const said = new Map<string, string | null>()
      for (const [at, [clientInfo, userAgent, client]] of names.entries()) {
        for (const [era, open] of Object.entries({ legacy: openRawSession, modern: rawModernClient })) {
          const requestId = `program-${era}-${at}`
          said.set(requestId, client)
          const headers = {
            'x-litellm-api-key': key,
            'x-request-id': requestId,
            ...(userAgent !== undefined && { 'user-agent': userAgent }),
          }
          const raw = await open({ fetch: gateway.fetch, url: `${base}/mcp/open`, headers, clientInfo })
          await raw.ask('tools/call', { name: 'echo', arguments: {} })
        }
      }
      const rows = await rowsOf(said.size, (row) => toolCalls(row) && said.has(row.requestId))
      expect(new Map(rows.map(({ requestId, client }) => [requestId, client]))).toEqual(said)
    },
  )

  verifies('ledger:every-field', 'and never the master key, whatever it looks like', async () => {
    const master_key = 'words-that-open-every-door'
    const own = await openTestDatabase()
    const config = { general_settings: { master_key }, mcp_servers: { open: { url: upstream.url } } }
    await using here = await boot({ config, database: own })
    for (const open of [openRawSession, rawModernClient]) {
      const clientInfo = { name: `agent ${master_key}`, version: '1' }
      const headers = { 'x-litellm-api-key': master_key }
      const raw = await open({ fetch: here.fetch, url: `${base}/mcp/open`, headers, clientInfo })
      expect(await raw.ask('tools/call', { name: 'echo', arguments: {} })).toHaveProperty('result')
    }
    const clients = await vi.waitFor(async () => {
      const rows = (await own.db.select().from(calls)).filter(toolCalls)
      if (rows.length < 2) throw new Error(`${rows.length} rows of 2`)
      return rows.map(({ client }) => client)
    }, 10_000)
    expect(clients).toEqual([null, null])
  })

  verifies('ledger:every-field', 'and no secret', async () => {
    const rows = await database.db.select().from(calls)
    expect(JSON.stringify(rows)).not.toMatch(/secret-of|sk-|tg(?:at|rt|ac|cs|rc|rr)_/)
  })
})
