import { type JsonObject } from '@toolgate/core'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { llmDoors } from './llm-doors/doors.ts'
import { type DoorWorld, type Round, startDoorWorld } from './llm-doors/world.ts'

/**
 * What clients of each LLM door read, word for word, in files under `golden-streams/`. After a deliberate change `pnpm run golden` writes
 * them anew; their difference is then what clients will notice.
 */
const behind = new AsyncDisposableStack()
let world: DoorWorld
beforeAll(async () => {
  world = behind.use(await startDoorWorld())
})
afterAll(() => behind.disposeAsync())

interface Golden {
  readonly rounds: readonly Round[]
  /** Absent: no tools of the gateway. */
  readonly approval?: 'never' | 'always'
  readonly functions?: readonly string[]
}

const look = (id: string, more: JsonObject = {}) => ({ id, name: 'srv-look', input: { say: 'Grüezi.', ...more } })

const goldens: Readonly<Record<string, Golden>> = {
  plain: { rounds: [{ thought: 'Easy enough.', text: 'Grüezi 🙂, there is nothing to look for.' }] },
  'one tool': {
    approval: 'never',
    rounds: [
      { thought: 'I need it.', text: 'Let me look.', calls: [look('c1')] },
      { thought: 'I have it.', text: 'It says Grüezi.' },
    ],
  },
  'parallel tools': {
    approval: 'never',
    rounds: [{ calls: [look('c1'), look('c2', { as: 'failed' })] }, { text: 'One of them failed.' }],
  },
  'with a function of the client': {
    approval: 'never',
    functions: ['get_weather'],
    rounds: [{ text: 'Let me look.', calls: [look('c1'), { id: 'c2', name: 'get_weather', input: { city: 'Bern' } }] }],
  },
  'an error in the middle': {
    approval: 'never',
    rounds: [
      { text: 'Let me look.', calls: [look('c1')] },
      { text: 'This sentence is not going to be finished.', fault: 'breaks' },
    ],
  },
  approval: {
    approval: 'always',
    rounds: [{ text: 'May I?', calls: [look('c1')] }],
  },
}

/** Ids of the gateway by the order in which they come; its times. */
function normalised(stream: string): string {
  const ids = new Map<string, string>()
  return stream
    .replaceAll(/"([a-z]+)_[0-9a-f]{32}"/g, (id, prefix: string) => {
      const known = ids.get(id) ?? `"<${prefix} ${ids.size + 1}>"`
      ids.set(id, known)
      return known
    })
    .replaceAll(/"(created|created_at)":\d+/g, '"$1":"<time>"')
}

describe.each(llmDoors.map((door) => ({ door, name: door.name })))('the stream of $name', ({ door }) => {
  for (const [title, { rounds, approval, functions = [] }] of Object.entries(goldens)) {
    verifies('llm:golden-streams', `is the recorded one: ${title}`, async () => {
      world.play(rounds)
      const entry = {
        type: 'mcp',
        server_label: 'gw',
        server_url: 'litellm_proxy',
        require_approval: approval ?? 'never',
      }
      const entries = approval === undefined ? [] : [entry]
      // One after the other, so that calls end in one order.
      const limits = approval === undefined ? {} : { mcp_limits: { max_parallel: 1 } }
      const body = { model: door.model, ...limits, ...door.body({ streamed: true, entries, functions }) }
      const response = await world.gateway.request(door.path(true), { body })
      const stream = await response.text()
      // What is relayed is as good as its provider made it, and what fails has no end.
      if (approval !== undefined && rounds.every(({ fault }) => fault === undefined)) door.readStream(stream)
      const file = `golden-streams/${door.name}/${title}.txt`.replaceAll(' ', '-').toLowerCase()
      await expect(normalised(stream)).toMatchFileSnapshot(file)
    })
  }
})
