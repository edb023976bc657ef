import { conversationRecords } from '@toolgate/db'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { eq, sql } from 'drizzle-orm'
import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, resultsIn, startChatWorld } from './chat-world.ts'

/** How often an approval has its call run, counted at the server. */
const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: RawMcpServer
const clock = fakeClock()
beforeAll(async () => {
  server = behind.use(await startRawMcpServer())
  const pii = { guardrail: 'pii', mode: 'pre_call', pii_entities_config: { EMAIL_ADDRESS: 'BLOCK' } }
  const litellm_params = { model: 'openai/chat-only', api_key: 'sk-b', use_chat_completions_api: true }
  world = behind.use(
    await startChatWorld({
      clock,
      config: { guardrails: [{ guardrail_name: 'pii', litellm_params: pii }] },
      servers: { srv: { url: server.url } },
      models: ({ origin }) => [
        { model_name: 'crossed', litellm_params: { ...litellm_params, api_base: `${origin}/v1` } },
      ],
    }),
  )
})
afterAll(() => behind.disposeAsync())

const isApproval = eq(conversationRecords.kind, 'approval')
const executed = () => server.received('tools/call').length
const create = (request: object, key?: string): Promise<OpenAI.Responses.Response> => {
  const params = { model: 'crossed', input: 'go', tools: mcp({ require_approval: 'always' }), ...request }
  return world.client(key).responses.create(JSON.parse(JSON.stringify(params)))
}

/** A response that asks for approval of some calls, with the word that approves them. */
async function asked(...messages: string[]) {
  return askedOf(undefined, ...messages)
}

async function askedOf(key: string | undefined, ...messages: string[]) {
  const calls = messages.map((message, at) => toolCall('srv-echo', { message }, `c${at}`))
  world.play(completion({ content: null, tool_calls: calls }), completion({ content: 'Done.' }))
  const first = await create({}, key)
  const requests = first.output.filter(({ type }) => type === 'mcp_approval_request')
  const approve = requests.map(({ id }) => ({ type: 'mcp_approval_response', approval_request_id: id, approve: true }))
  return { first, approve, before: executed() }
}

async function streamed(request: object): Promise<OpenAI.Responses.Response> {
  const params = { model: 'crossed', tools: mcp({ require_approval: 'always' }), ...request }
  return world
    .client()
    .responses.stream(JSON.parse(JSON.stringify(params)))
    .finalResponse()
}

function outputsOf({ output }: OpenAI.Responses.Response) {
  return output.flatMap((item) => (item.type === 'mcp_call' ? [item.output] : []))
}

describe('an approval', () => {
  verifies('responses:approval', 'runs its call once in a conversation that goes on, by id and in full', async () => {
    const { first, approve, before } = await asked('yes')
    const second = await create({ previous_response_id: first.id, input: approve })
    expect(executed()).toBe(before + 1)
    const thanks = { role: 'user', content: 'Thanks.' }
    await create({ previous_response_id: second.id, input: [thanks] })
    const history = [{ role: 'user', content: 'go' }, ...first.output, ...approve, ...second.output, thanks]
    await create({ input: history, store: false })
    expect(executed()).toBe(before + 1)
    expect(resultsIn(world.asked.at(-1))).toHaveLength(1)
  })

  verifies(
    'responses:approval',
    'runs its call once when it is said twice, and when its request is sent again',
    async () => {
      const { first, approve, before } = await asked('yes')
      const request = { previous_response_id: first.id, input: [...approve, ...approve] }
      const both = await Promise.all([create(request), create(request)])
      const heard = both.flatMap(outputsOf).find((output) => output !== undefined)
      await create(request)
      expect(executed()).toBe(before + 1)
      expect(resultsIn(world.asked.at(-1))).toEqual([heard])
    },
  )

  verifies('responses:approval', 'does not outweigh a no beside it', async () => {
    const { first, approve, before } = await asked('yes')
    const denied = approve.map((said) => ({ ...said, approve: false }))
    await create({ previous_response_id: first.id, input: [...denied, ...approve] })
    expect(executed()).toBe(before)
  })

  verifies(
    'responses:approval',
    'beyond the limit of calls is answered, and runs in no later request either',
    async () => {
      const { first, approve, before } = await asked('one', 'two')
      const request = { previous_response_id: first.id, input: approve, mcp_limits: { max_calls: 1 } }
      const second = await create(request)
      expect(executed()).toBe(before + 1)
      expect(resultsIn(world.asked.at(-1))).toEqual([
        expect.any(String),
        expect.stringContaining('the limit of tool calls'),
      ])
      await create({ previous_response_id: second.id, input: 'Thanks.' })
      expect(executed()).toBe(before + 1)
    },
  )
})

describe('what an approved call came to', () => {
  for (const stream of [false, true]) {
    verifies(
      'responses:approval',
      `is heard by the request that is repeated after its model failed, streamed: ${stream}`,
      async () => {
        const { first, approve, before } = await asked('one', 'two')
        const request = { previous_response_id: first.id, input: approve }
        world.play({ status: 503, json: { error: { message: 'down' } } }, completion({ content: 'Done.' }))
        await expect(create(request)).rejects.toMatchObject({ status: 503 })
        const again = stream ? await streamed(request) : await create(request)
        expect(executed()).toBe(before + 2)
        expect(again.output_text).toBe('Done.')
        expect(new Set(outputsOf(again))).toEqual(new Set(resultsIn(world.asked.at(-1))))
        expect(resultsIn(world.asked.at(-1))).toEqual(resultsIn(world.asked[0]))
      },
    )
  }

  verifies('responses:approval', 'is told to nobody who names another call under its id', async () => {
    const { first, approve, before } = await asked('one')
    await create({ previous_response_id: first.id, input: approve })
    const forged = first.output.map((item) =>
      item.type === 'mcp_approval_request' ? { ...item, arguments: '{}' } : item,
    )
    await create({ input: [...forged, ...approve] })
    expect(executed()).toBe(before + 1)
    expect(resultsIn(world.asked.at(-1))).toEqual([expect.stringContaining('Not executed again')])
  })
})

describe('approvals that the store cannot keep', () => {
  verifies('responses:approval', 'are spent all or none, and run nothing', async () => {
    const { first, approve, before } = await asked('one', 'two')
    const { db } = world.database
    const [count] = await db.select({ claimed: sql<number>`count(*)::int` }).from(conversationRecords).where(isApproval)
    await db.execute(
      sql.raw(`create function one_more() returns trigger language plpgsql as $$ begin
        if (select count(*) from conversation_records where kind = 'approval') > ${count?.claimed ?? 0}
        then raise 'no more' using errcode = '53100'; end if; return new; end $$`),
    )
    await db.execute(sql`create trigger one_more before insert on conversation_records for each row
      when (new.kind = 'approval') execute function one_more()`)
    const request = { previous_response_id: first.id, input: approve }
    await expect(create(request)).rejects.toMatchObject({ status: 503 })
    await db.execute(sql`drop trigger one_more on conversation_records`)
    expect(executed()).toBe(before)
    await create(request)
    expect(executed()).toBe(before + 2)
  })
})

describe('an approval in a request that is refused', () => {
  const makeKey = (request: object) =>
    world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] }, ...request })

  verifies('responses:approval', 'runs nothing, and holds for the next one', async () => {
    const key = await makeKey({ models: ['crossed'], rpm_limit: 3 })
    const { first, approve, before } = await askedOf(key, 'yes')
    const request = { previous_response_id: first.id, input: approve }
    await expect(create({ ...request, model: 'gpt' }, key)).rejects.toMatchObject({ status: 403 })
    await expect(create({ ...request, model: 'nobodys' })).rejects.toMatchObject({ status: 400 })
    const mail = { role: 'user', content: 'and tell ann.lee@example.com' }
    const guarded = { ...request, input: [...approve, mail], guardrails: ['pii'] }
    await expect(create(guarded, key)).rejects.toMatchObject({ status: 400 })
    await create({ input: 'hi', tools: [] }, key)
    await expect(create(request, key)).rejects.toMatchObject({ status: 429 })
    expect(executed()).toBe(before)
    clock.advance(60_000)
    expect(await world.rows(1, ({ outcome }) => outcome === 'RATE_LIMITED')).toMatchObject([
      { method: 'responses', publicName: 'crossed' },
    ])
    const done = await create(request, key)
    expect(done.output_text).toBe('Done.')
    expect(executed()).toBe(before + 1)
    // It was counted once, though it was let in before the call and asked after it.
    await create({ input: 'hi', tools: [] }, key)
    await create({ input: 'hi', tools: [] }, key)
    await expect(create({ input: 'hi', tools: [] }, key)).rejects.toMatchObject({ status: 429 })
  })

  verifies('limits:loop-answers', 'is not refused any more once its call has run', async () => {
    const key = await makeKey({ tpm_limit: 20 })
    const { first, approve, before } = await askedOf(key, 'yes')
    let meanwhile: Promise<unknown> | undefined
    server.answer((received) => {
      if (received.message['method'] !== 'tools/call') return undefined
      meanwhile ??= create({ input: 'hi', tools: [] }, key)
      return meanwhile.then(() => undefined)
    })
    const done = await create({ previous_response_id: first.id, input: approve }, key)
    server.answer(() => undefined)
    expect(executed()).toBe(before + 1)
    expect([done.output_text, done.metadata]).toEqual([
      'Done.',
      expect.objectContaining({ mcp_limit_reached: 'tokens' }),
    ])
  })
})
