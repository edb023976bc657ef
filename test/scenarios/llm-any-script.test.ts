import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { array, assert, asyncProperty, constantFrom, record } from 'fast-check'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import type { LlmDoor } from './llm-doors/door.ts'
import { llmDoors } from './llm-doors/doors.ts'
import { type DoorWorld, type Round, startDoorWorld } from './llm-doors/world.ts'

/**
 * Any script of model turns, outcomes of tools and failing deployments, at every LLM door, with tools that need approval and a guardrail
 * in between. What the client is told is computed here a second time, in the plainest way.
 */
const behind = new AsyncDisposableStack()
const mail = 'ann.lee@example.com'
let world: DoorWorld
beforeAll(async () => {
  const guardrail = {
    guardrail_name: 'pii',
    litellm_params: {
      guardrail: 'pii',
      mode: ['pre_call', 'post_call', 'pre_mcp_call', 'post_mcp_call'],
      default_on: true,
    },
  }
  world = behind.use(await startDoorWorld({ config: { guardrails: [guardrail] } }))
})
afterAll(() => behind.disposeAsync())

const text = constantFrom<string>('', 'Wörter 🙂 zuerst. ', `To ${mail}, at once. `, 'a', 'line\n\nline')
const call = record({
  name: constantFrom<string>('srv-look', 'srv-look', 'srv-ask', 'get_weather', 'unknown'),
  as: constantFrom<string>('ok', 'ok', 'failed', 'refused', 'gone'),
  say: text,
})
interface Turn {
  readonly text: string
  readonly thought: string
  readonly calls: readonly { readonly name: string; readonly as: string; readonly say: string }[]
  readonly fault: Round['fault']
}
const turn = record<Turn>({
  text,
  thought: text,
  calls: array(call, { maxLength: 3 }),
  fault: constantFrom(undefined, undefined, 'refused', 'limited', 'cut'),
})
const script = array(turn, { minLength: 1, maxLength: 4 })
const end: Round = { text: 'The end.' }

const toRound = ({ text: said, thought, calls, fault }: Turn, at: number): Round => ({
  ...(said !== '' && { text: said }),
  ...(thought !== '' && { thought }),
  // Nobody answers without a word.
  ...(said === '' && calls.length === 0 && { text: 'Hm.' }),
  calls: calls.map(({ name, as, say }, index) => {
    const id = `t${at}c${index}`
    return { id, name, input: { id, as, say } }
  }),
  fault,
})

const entries: JsonObject[] = [
  {
    type: 'mcp',
    server_label: 'gw',
    server_url: 'litellm_proxy',
    require_approval: { never: { tool_names: ['srv-look'] }, always: { tool_names: ['srv-ask'] } },
  },
]
const isHanded = ({ name }: { name: string }) => name === 'srv-ask' || name === 'get_weather'
/** Masked as the guardrail masks. */
const masked = (value: JsonValue): JsonValue => JSON.parse(JSON.stringify(value).replaceAll(mail, '<EMAIL_ADDRESS>'))

/** The turns that are reached: up to the first that the client has to answer, or that calls nothing. */
function reached(rounds: readonly Round[]): Round[] {
  const last = rounds.findIndex(({ calls = [] }) => calls.length === 0 || calls.some(isHanded))
  return rounds.slice(0, last + 1)
}

const byId = (inputs: readonly JsonValue[]) =>
  inputs.filter(isJsonObject).toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))

async function ask(door: LlmDoor, streamed: boolean, more: JsonObject = {}) {
  const question = door.body({ streamed, entries, functions: ['get_weather'] })
  const response = await world.gateway.request(door.path(streamed), {
    body: { model: door.model, ...question, ...more },
  })
  const answer = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${answer}`)
  expect(answer).not.toContain(mail)
  return { answer, answered: streamed ? door.readStream(answer) : door.readWhole(JSON.parse(answer)) }
}

async function play(door: LlmDoor, rounds: readonly Round[], streamed: boolean) {
  world.play(rounds)
  const { answered } = await ask(door, streamed)
  expect(JSON.stringify(world.asked)).not.toContain(mail)
  return { answered, ran: byId(world.ran) }
}

describe.each(llmDoors.map((door) => ({ door, name: door.name })))(
  'whatever model, tools and deployments do, $name',
  ({ door }) => {
    verifies(
      'llm:any-script',
      'has a complete stream that says what the whole answer says, and runs each tool once',
      async () => {
        await assert(
          asyncProperty(script, async (turns) => {
            const rounds = [...turns.map(toRound), end]
            const played = reached(rounds)
            const calls = played.flatMap(({ calls: made = [] }) => made)
            const whole = await play(door, rounds, false)
            const streamed = await play(door, rounds, true)
            expect(streamed.answered).toEqual(whole.answered)
            const expected = calls.filter(({ name }) => name === 'srv-look').map(({ input }) => input)
            expect(whole.ran).toEqual(masked(byId(expected)))
            expect(streamed.ran).toEqual(whole.ran)
            expect(byId(whole.answered.handed.map(({ input }) => input))).toEqual(
              masked(calls.filter(isHanded).map(({ input }) => input)),
            )
          }),
          { numRuns: 25 },
        )
      },
    )
  },
)

describe('whatever was asked for approval', () => {
  verifies('llm:any-script', 'runs once after it is given, streamed and whole', async () => {
    const door = llmDoors.find(({ name }) => name === 'responses')
    if (door === undefined) throw new Error('no such door')
    const asking = array(call, { minLength: 1, maxLength: 4 })
    await assert(
      asyncProperty(asking, constantFrom(true, false), constantFrom(true, false), async (calls, streamed, approve) => {
        const asked = calls.map((one) => ({ ...one, name: 'srv-ask' }))
        const first = toRound({ text: 'May I? ', thought: '', calls: asked, fault: 'refused' }, 0)
        world.play([first, { ...end, fault: 'limited' }])
        const { answer } = await ask(door, streamed)
        expect(world.ran).toEqual([])
        const { id, output } = streamed ? lastResponse(answer) : JSON.parse(answer)
        const requests: JsonObject[] = output.filter(({ type }: JsonObject) => type === 'mcp_approval_request')
        const input = requests.map((request) => ({
          type: 'mcp_approval_response',
          approval_request_id: request['id'] ?? '',
          approve,
        }))
        const { answered } = await ask(door, streamed, { previous_response_id: id, input })
        expect(answered.text).toBe('The end.')
        expect(byId(world.ran)).toEqual(approve ? masked((first.calls ?? []).map((one) => one.input)) : [])
      }),
      { numRuns: 25 },
    )
  })
})

function lastResponse(stream: string): { id: string; output: JsonObject[] } {
  const data = stream.trimEnd().split('\n').at(-1)?.slice('data: '.length) ?? ''
  const event: unknown = JSON.parse(data)
  if (!isJsonObject(event) || !isJsonObject(event['response'])) throw new Error('no response at the end')
  return JSON.parse(JSON.stringify(event['response']))
}
