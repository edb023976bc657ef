import { expect, vi } from 'vitest'
import type { EraClient } from './clients.ts'
import type { Asked, EraServer } from './servers.ts'

export interface Driven {
  /** One that nobody can ask anything: what a server keeps for it is shared by all that it sends. */
  readonly quiet: EraClient
  /** One that can be asked for input, a model's words and roots. */
  readonly asked: EraClient
  readonly server: EraServer
  /** Milliseconds after which what was not heard is lost. */
  readonly patienceMs: number
}

/** `kept`, or what was seen in place of the feature. */
export type Seen = string

const kept = 'kept'

/** One for each feature. A server that has no such thing is looked at for how that shows. */
const drivers = {
  'tools: list and call': async ({ quiet, server: { call } }) => {
    expect(await quiet.tools()).toContain(call.name)
    return calling(quiet, call)
  },
  'structured content': ({ quiet, server: { structured } }) => calling(quiet, structured),
  isError: ({ quiet, server: { fails } }) => calling(quiet, fails),
  prompts: async ({ quiet, server: { prompt } }) => {
    if (prompt === undefined) return undeclared(quiet, 'prompts')
    expect(await quiet.prompts()).toContain(prompt)
    return holds(await quiet.prompt(prompt), '"messages":[{')
  },
  resources: async ({ quiet, server: { resource } }) => {
    if (resource === undefined) return undeclared(quiet, 'resources')
    expect(await quiet.resources()).toContain(resource)
    return holds(await quiet.read(resource), '"contents":[{')
  },
  'resource templates': async ({ quiet, server: { templated } }) => {
    if (templated === undefined) return undeclared(quiet, 'resources')
    expect(await quiet.templates()).toContain(templated.template)
    return holds(await quiet.read(templated.uri), '"contents":[{')
  },
  completion: async ({ quiet, server: { completion } }) => {
    if (completion === undefined) return undeclared(quiet, 'completions')
    const { ref, name, value } = completion
    return holds(await quiet.complete(ref, { name, value }), completion.holds)
  },
  logging: async ({ asked, server: { logs }, patienceMs }) => {
    if (logs === undefined) return undeclared(asked, 'logging')
    await asked.wantLogs()
    const said = await asked.call(logs.name)
    const seen = await heard(() => asked.heard.logs.length > 0, patienceMs)
    // A call that came to something else than logs is no answer that gets lost.
    return seen === kept ? kept : `${seen}: ${said}`
  },
  progress: async ({ quiet, server: { progress } }) => {
    const steps: number[] = []
    await quiet.call(progress.name, progress.args, { onprogress: (step) => void steps.push(step.progress) })
    return steps.length >= 2 ? kept : `heard of ${steps.length} steps`
  },
  cancellation: async ({ quiet, server: { endless, call } }) => {
    const leaving = new AbortController()
    const running = quiet.call(endless.name, endless.args, { signal: leaving.signal })
    setTimeout(() => leaving.abort('enough'), 100)
    await expect(running).rejects.toThrow('enough')
    return calling(quiet, call)
  },
  elicitation: ({ asked, server: { elicits, call } }) => asking(asked, elicits, call),
  sampling: ({ asked, server: { samples, call } }) => asking(asked, samples, call),
  roots: ({ asked, server: { roots, call } }) => asking(asked, roots, call),
  subscriptions: async ({ quiet, server: { subscription }, patienceMs }) => {
    if (subscription === undefined) return undeclared(quiet, 'resources')
    const { uri, trigger } = subscription
    await quiet.subscribe(uri)
    // One server takes turns: the second of two clients would switch off what the first one switched on.
    const said = await quiet.call(trigger.name, trigger.args)
    if (said.includes('Stopped')) await quiet.call(trigger.name, trigger.args)
    return heard(() => quiet.heard.updated.includes(uri), patienceMs)
  },
} as const satisfies Record<string, (driven: Driven) => Promise<Seen>>

export type Feature = keyof typeof drivers | 'list_changed'

/** All of them, one after the other; a rejection is what its client was told. */
export async function drive(driven: (feature: Feature) => Driven): Promise<Partial<Record<Feature, Seen>>> {
  const seen: Partial<Record<Feature, Seen>> = {}
  for (const feature of drivenFeatures) {
    try {
      seen[feature] = await drivers[feature](driven(feature))
    } catch (error) {
      seen[feature] = error instanceof Error ? error.message : String(error)
    }
  }
  return seen
}

const drivenFeatures: readonly (keyof typeof drivers)[] = [
  'tools: list and call',
  'structured content',
  'isError',
  'prompts',
  'resources',
  'resource templates',
  'completion',
  'logging',
  'progress',
  'cancellation',
  'elicitation',
  'sampling',
  'roots',
  'subscriptions',
]

export const features: readonly Feature[] = [...drivenFeatures, 'list_changed']

export async function heard(condition: () => boolean, patienceMs: number): Promise<Seen> {
  try {
    await vi.waitFor(() => expect(condition()).toBe(true), { timeout: patienceMs, interval: 20 })
    return kept
  } catch {
    // Nothing came, which is what is said.
    return 'nothing was heard'
  }
}

async function calling(client: EraClient, wanted: Asked | undefined): Promise<Seen> {
  if (wanted === undefined) return 'the server has no such thing'
  return holds(await client.call(wanted.name, wanted.args), wanted.holds ?? '')
}

/** A server that cannot ask is called all the same, to see that it does not. */
async function asking(client: EraClient, wanted: Asked | undefined, other: Asked): Promise<Seen> {
  const seen = await calling(client, wanted ?? other)
  return client.heard.asked > 0 ? seen : `nobody was asked: ${seen}`
}

function holds(text: string, wanted: string): Seen {
  return text.includes(wanted) ? kept : text
}

function undeclared(client: EraClient, capability: string): Seen {
  return capability in client.capabilities() ? `"${capability}" is declared all the same` : 'not declared'
}
