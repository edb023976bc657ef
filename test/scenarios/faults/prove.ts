import { isJsonObject, type JsonObject } from '@toolgate/core'
import { expect, vi } from 'vitest'
import { messagesIn, reportOf } from '../chat-world.ts'
import { type Failure, isPassage, tellings, type Verdict, waysOf } from './verdicts.ts'
import { type Answered, doors, type FaultFakes, type FaultRow, type FaultWorld, serverOf, tokenOf } from './world.ts'

/** Milliseconds that a healthy server may take while others fail. */
const unaffectedMs = 1_000

const given = { arguments: { say: 'hello from the table' }, _meta: { progressToken: 'of the table' } }

/**
 * One row at every door: each tells the fault in its own dialect, naming server and stage; a healthy server behind the same
 * gateway answers meanwhile; no credential is told to anybody; no exchange with the faulty server is left open.
 * `kept`: exchanges that may stay, where a connection is a stream that is open for as long as it is pooled.
 */
export async function prove<Fakes extends FaultFakes>(
  row: FaultRow<Fakes>,
  world: FaultWorld & { readonly fakes: Fakes },
  { kept = 0 }: { readonly kept?: number } = {},
): Promise<void> {
  await allOf({
    rest: proveRest(row, world),
    seed: proveSeed(row, world),
    chat: proveChat(row, world),
    stream: proveStream(row, world),
    tools: proveTools(row, world),
    list: proveList(row, world),
    health: proveHealth(row, world),
    detail: proveDetail(row, world),
    others: proveUnaffected(world),
  })
  await proveContained(row, world)
  await vi.waitFor(
    () => {
      const open = doors.map((door) => serverOf(row, door)).map((server) => world.fakes.openExchanges(server))
      expect(Math.max(...open)).toBeLessThanOrEqual(kept)
    },
    { timeout: 5_000, interval: 10 },
  )
  const tokens = doors.map((door) => tokenOf(serverOf(row, door)))
  expect(world.leaks().filter((leak) => tokens.some((token) => leak.includes(token)))).toEqual([])
}

/** Waits for every door, also where one has failed already, and says which failed. */
async function allOf(proofs: Readonly<Record<string, Promise<void>>>): Promise<void> {
  const settled = await Promise.allSettled(Object.values(proofs))
  const failed = settled.flatMap((proof, index) =>
    proof.status === 'rejected' ? [`${Object.keys(proofs)[index]}: ${String(proof.reason)}`] : [],
  )
  expect(failed).toEqual([])
}

async function proveUnaffected(world: FaultWorld): Promise<void> {
  expect(await world.askHealthy()).toBeLessThan(unaffectedMs)
}

type Row = Omit<FaultRow<never>, 'host'>

/** `POST /mcp-rest/tools/call` */
async function proveRest(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'rest')
  const answered = await world.ask('/mcp-rest/tools/call', { server_id: server, name: 'echo', ...given })
  expectCall(answered, server, row.call)
}

/** `POST /mcp/tools/call`, by public name */
async function proveSeed(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'seed')
  const answered = await world.ask('/mcp/tools/call', { name: `${server}-echo`, ...given })
  expectCall(answered, server, row.call)
}

function expectCall({ status, body }: Answered, server: string, verdict: Verdict): void {
  if (isPassage(verdict)) {
    expect([status, textOf(body)]).toEqual([200, expect.stringContaining(verdict.passes)])
    return
  }
  expectFailure({ status, body }, { server, ways: waysOf(verdict) })
}

/** A failure as the REST doors tell it. */
function expectFailure(
  { status, body }: Answered,
  { server, ways }: { readonly server: string; readonly ways: readonly Failure[] },
): void {
  const detail = isJsonObject(body['detail']) ? body['detail'] : {}
  const { error, stage } = detail
  expect(
    ways.map(({ code, stage }) => ({ status: tellings[code].status, error: tellings[code].rest, stage })),
  ).toContainEqual({
    status,
    error,
    stage,
  })
  expect(detail).toMatchObject({ server, message: expect.stringContaining(`"${server}"`) })
}

function textOf({ content }: JsonObject): unknown {
  const [first] = Array.isArray(content) ? content : []
  return isJsonObject(first) ? first['text'] : content
}

/**
 * `POST /v1/chat/completions`. A server that cannot be listed fails the request that names it, and no model is asked; a
 * tool that fails is told to the model.
 */
async function proveChat(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'chat')
  const { status, body } = await world.ask('/v1/chat/completions', {
    model: 'gpt',
    user: 'chat',
    messages: [{ role: 'user', content: server }],
    tools: [{ type: 'mcp', server_url: `litellm_proxy/mcp/${server}`, require_approval: 'never' }],
  })
  const asked = askedOf(server, 'chat', world)
  if (!isPassage(row.list)) {
    const error = isJsonObject(body['error']) ? body['error'] : {}
    const ways = waysOf(row.list).map(listed)
    expect(ways.map(({ code }) => ({ status: tellings[code].status, type: tellings[code].chat }))).toContainEqual({
      status,
      type: error['type'],
    })
    expect(error['message']).toContain(`"${server}"`)
    expect(asked).toEqual([])
    return
  }
  expect([status, asked.length]).toEqual([200, 2])
  const told = resultIn(body)
  if (isPassage(row.call)) expectTold(told, row.call.passes)
  else expect(told).toMatch(new RegExp(`^Error: .*"${server}"`))
}

/**
 * The same with `stream: true`: a server that cannot be listed is a status of its own, since nothing was sent yet; the result
 * of a tool that fails is told within the stream, which ends as every stream does.
 */
async function proveStream(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'stream')
  const { status, text } = await world.askText('/v1/chat/completions', {
    model: 'gpt',
    stream: true,
    user: 'stream',
    messages: [{ role: 'user', content: server }],
    tools: [{ type: 'mcp', server_url: `litellm_proxy/mcp/${server}`, require_approval: 'never' }],
  })
  if (!isPassage(row.list)) {
    const ways = waysOf(row.list).map(listed)
    expect(ways.map(({ code }) => tellings[code].status)).toContain(status)
    expect(ways.map(({ code }) => text.includes(`"${tellings[code].chat}"`))).toContain(true)
    expect(text).toContain(server)
    expect(askedOf(server, 'stream', world)).toEqual([])
    return
  }
  expect([status, text.trimEnd().endsWith('data: [DONE]')]).toEqual([200, true])
  // Two turns: the second one was told what came of the call.
  const told = askedOf(server, 'stream', world)
  const [, second] = told
  expect(told).toHaveLength(2)
  const result = toolResultIn(second?.body)
  if (isPassage(row.call)) expectTold(result, row.call.passes)
  else expect(result).toMatch(new RegExp(`^Error: .*"${server}"`))
}

/** What the model was asked for one of the two chat doors, which may share a server. */
function askedOf(server: string, user: 'chat' | 'stream', { llm }: FaultWorld) {
  return llm.requests.filter(({ body }) => body['user'] === user && JSON.stringify(body).includes(`"${server}"`))
}

/** What the model was told of the call. */
function toolResultIn(body: JsonObject | undefined): unknown {
  return body && messagesIn(body).findLast(({ role }) => role === 'tool')?.['content']
}

/** `GET /v1/mcp/tools`: the healthy server’s tools are there, and what keeps those of the faulty one is said beside. */
async function proveTools(row: Row, world: FaultWorld): Promise<void> {
  const { status, body } = await world.ask('/v1/mcp/tools')
  expect(status).toBe(200)
  expect(JSON.stringify(body['tools'])).toContain('"healthy-echo"')
  expectOutcome(body, row)
}

function resultIn({ choices }: JsonObject): unknown {
  const [choice] = Array.isArray(choices) ? choices : []
  const message = isJsonObject(choice) && isJsonObject(choice['message']) ? choice['message'] : undefined
  const results = reportOf(message)['mcp_call_results']
  const [result] = Array.isArray(results) ? results : []
  return isJsonObject(result) ? result['result'] : result
}

/** `GET /mcp-rest/tools/list?server_id=`: who asks for one server is answered with its fault. */
async function proveList(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'look')
  const answered = await world.ask(`/mcp-rest/tools/list?server_id=${server}`)
  if (isPassage(row.list)) {
    expect(answered).toMatchObject({ status: 200, body: { error: null } })
    expect(JSON.stringify(answered.body['tools'])).toContain('"echo"')
    return
  }
  expectFailure(answered, { server, ways: waysOf(row.list).map(listed) })
}

/** `GET /v1/mcp/server/health`, which asks the server anew */
async function proveHealth(row: Row, world: FaultWorld): Promise<void> {
  const server = serverOf(row, 'look')
  const { status, body } = await world.ask(`/v1/mcp/server/health?server_ids=${server}`)
  expect(status).toBe(200)
  const [report] = Array.isArray(body['list']) ? body['list'].filter(isJsonObject) : []
  expectHealth(report, row)
}

/** `GET /v1/mcp/server/{id}`, which asks it as well */
async function proveDetail(row: Row, world: FaultWorld): Promise<void> {
  const { status, body } = await world.ask(`/v1/mcp/server/${serverOf(row, 'look')}`)
  expect(status).toBe(200)
  expectHealth(body, row)
}

function expectHealth(report: JsonObject | undefined, row: Row): void {
  const server = serverOf(row, 'look')
  if (isPassage(row.list)) {
    expect(report).toMatchObject({ server_name: server, status: 'healthy', health_check_error: null, stage: null })
    return
  }
  const reason = expect.stringContaining(`"${server}"`)
  expect(report).toMatchObject({ server_name: server, status: 'unhealthy', health_check_error: reason })
  expect(waysOf(row.list).map(({ stage }) => stage)).toContain(report?.['stage'])
}

/** A list of everything has the healthy server’s tools, and a reason for each server that has none. */
async function proveContained(row: Row, world: FaultWorld): Promise<void> {
  const { status, body } = await world.ask('/mcp-rest/tools/list')
  expect(status).toBe(200)
  expect(JSON.stringify(body['tools'])).toContain('"server_name":"healthy"')
  expectOutcome(body, row)
}

function expectOutcome(body: JsonObject, row: Row): void {
  const meta = isJsonObject(body['_meta']) ? body['_meta'] : {}
  const server = serverOf(row, 'look')
  const outcomes = meta['toolgate/outcomes']
  const own = Array.isArray(outcomes) ? outcomes.filter(isJsonObject).find((one) => one['server_name'] === server) : {}
  const ways = isPassage(row.list)
    ? [{ status: 'ok', stage: undefined }]
    : waysOf(row.list).map(({ code, stage }) => ({ status: tellings[code].outcome, stage }))
  expect(ways).toContainEqual({ status: own?.['status'], stage: own?.['stage'] })
}

/** A list knows a failure by its outcome, and five of those stand for all codes. */
function listed({ code, stage }: Failure): Failure {
  const { outcome } = tellings[code]
  if (outcome === 'protocol_error') return { code: 'UPSTREAM_PROTOCOL', stage }
  if (outcome === 'unreachable') return { code: 'UPSTREAM_UNREACHABLE', stage }
  return { code, stage }
}

/** Characters of one result that a model is shown. */
const mostShown = 200_000

/** Models get the beginning of what is very long and words that they can act on: so much, and nothing else. */
function expectTold(told: unknown, result: string): void {
  if (result.length <= mostShown) return expect(told).toContain(result)
  const text = typeof told === 'string' ? told : ''
  expect({ begins: text.startsWith(result.slice(0, mostShown)), ends: text.slice(mostShown) }).toEqual({
    begins: true,
    ends: `\n\n[Truncated: these are the first ${mostShown} of ${result.length} characters. If the rest is needed, call the tool with arguments that ask for less.]`,
  })
}
