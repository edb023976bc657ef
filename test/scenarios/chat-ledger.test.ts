import type { CallRow } from '@toolgate/db'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, startChatWorld, toParams } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
beforeAll(async () => {
  const server = behind.use(await startMcpServer())
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url }, other: { url: server.url } } }))
})
afterAll(() => behind.disposeAsync())

/** The rows of one request, told apart by the id that the client gave it. */
function rowsOf(requestId: string, count: number): Promise<readonly CallRow[]> {
  return world.rows(count, (row) => row.requestId === requestId)
}

const short = ({ kind, round, targetName, outcome }: CallRow) => [kind, targetName ?? round, outcome]
const byKind = (rows: readonly CallRow[], kind: CallRow['kind']) => rows.filter((row) => row.kind === kind)

const twoRounds = [
  completion({
    tool_calls: [toolCall('srv-echo', { message: 'secret words' }, 'a'), toolCall('srv-fail', {}, 'b')],
  }),
  completion({ tool_calls: [toolCall('other-count', { steps: 1 }, 'c')] }),
  completion({ content: 'done' }),
]

describe('the ledger', () => {
  for (const stream of [false, true]) {
    verifies('ledger:every-round', `has a row of one trace per round and per call, stream: ${stream}`, async () => {
      const requestId = `req-rounds-${stream}`
      const key = await world.gateway.makeKey({
        key_alias: `ledger-${stream}`,
        user_id: 'ann',
        object_permission: { mcp_servers: ['srv', 'other'] },
      })
      world.play(...twoRounds)
      const headers = { 'x-request-id': requestId }
      const body = { ...toParams({}), stream }
      await (await world.gateway.request('/v1/chat/completions', { key, headers, body })).text()

      const rows = await rowsOf(requestId, 7)
      expect(rows).toHaveLength(7)
      expect(new Set(rows.map(({ traceId }) => traceId)).size).toBe(1)
      expect(new Set(rows.map(({ id }) => id)).size).toBe(7)
      expect(new Set(rows.map(({ door }) => door))).toEqual(new Set(['chat']))
      expect(new Set(rows.map(({ keyAlias, userId }) => `${keyAlias} ${userId}`))).toEqual(
        new Set([`ledger-${stream} ann`]),
      )
      expect(byKind(rows, 'list')).toHaveLength(1)
      expect(
        byKind(rows, 'generation')
          .toSorted((left, right) => (left.round ?? 0) - (right.round ?? 0))
          .map(({ round, publicName, model, provider, promptTokens, completionTokens, outcome }) =>
            [round, publicName, model, provider, promptTokens, completionTokens, outcome].join(' '),
          ),
      ).toEqual([1, 2, 3].map((round) => `${round} gpt gpt-fake openai 10 5 ok`))
      const calls = byKind(rows, 'tool_call').map(
        ({ round, serverName, publicName, targetName, outcome, durationMs }) => {
          expect(durationMs).toBeGreaterThan(0)
          return [round, serverName, publicName, targetName, outcome].join(' ')
        },
      )
      expect(calls.toSorted()).toEqual(['1 srv echo echo ok', '1 srv fail fail tool_error', '2 other count count ok'])
      expect(JSON.stringify(rows)).not.toContain('secret words')
    })
  }

  verifies('ledger:every-round', 'keeps the traces of two requests apart', async () => {
    world.play(...twoRounds)
    await world.complete({}, { headers: { 'x-request-id': 'req-first' } })
    world.play(...twoRounds)
    await world.complete({}, { headers: { 'x-request-id': 'req-second' } })
    const [first] = await rowsOf('req-first', 7)
    const [second] = await rowsOf('req-second', 7)
    expect(first?.traceId).not.toBe(second?.traceId)
  })

  verifies('ledger:every-round', 'has the round that failed, with its reason', async () => {
    world.play(completion({ tool_calls: [toolCall('srv-echo', { message: 'x' })] }), {
      status: 429,
      json: { error: { message: 'slow down' } },
    })
    await expect(world.complete({}, { headers: { 'x-request-id': 'req-failed' } })).rejects.toMatchObject({
      status: 429,
    })
    const rows = await rowsOf('req-failed', 4)
    expect(rows.map(short)).toEqual(
      expect.arrayContaining([
        ['generation', 1, 'ok'],
        ['tool_call', 'echo', 'ok'],
        ['generation', 2, 'PROVIDER_ERROR'],
      ]),
    )
  })

  verifies('ledger:every-round', 'has what was refused: a model, and servers, that are not the key’s', async () => {
    const key = await world.gateway.makeKey({ models: ['else'] })
    const ask = (requestId: string, tools?: object[]) =>
      world.complete({ tools }, { key, headers: { 'x-request-id': requestId } })
    await expect(ask('req-model')).rejects.toMatchObject({ status: 403 })
    await expect(ask('req-server', mcp({ server_url: 'litellm_proxy/mcp/srv' }))).rejects.toMatchObject({ status: 403 })
    expect((await rowsOf('req-model', 1)).map(short)).toEqual([['generation', null, 'MODEL_NOT_ALLOWED']])
    expect((await rowsOf('req-server', 1)).map(short)).toEqual([['list', null, 'SERVER_NOT_FOUND']])
  })

  verifies('ledger:every-round', 'has one row with its tokens for a relayed stream', async () => {
    const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }
    world.play({ events: [`data: {"id":"1","choices":[],"usage":${JSON.stringify(usage)}}\n\n`, 'data: [DONE]\n\n'] })
    const headers = { 'x-request-id': 'req-relay' }
    const body = { ...toParams({ tools: undefined }), stream: true }
    await (await world.gateway.request('/v1/chat/completions', { headers, body })).text()
    expect(await rowsOf('req-relay', 1)).toMatchObject([
      { kind: 'generation', round: null, promptTokens: 11, completionTokens: 3, outcome: 'ok' },
    ])
  })
})
