import type { EraClientName } from './clients.ts'
import { type Feature, features } from './features.ts'
import type { EraServerName } from './servers.ts'

/** What does not get from this kind of server to these clients, and how that shows. Everything else is kept. */
export interface Loss {
  readonly server: EraServerName
  /** Absent: all of them. */
  readonly clients?: readonly EraClientName[]
  readonly features: readonly Feature[]
  readonly reason: string
  readonly shows: RegExp
}

export const clientNames = ['SDK v1', 'SDK v2, sessions', 'SDK v2, 2026-07-28'] as const satisfies EraClientName[]

export const serverNames = [
  'everything, stdio',
  'everything, HTTP',
  'everything, HTTP+SSE',
  '2026-07-28 alone',
  'OpenAPI',
] as const satisfies EraServerName[]

export const losses: readonly Loss[] = [
  {
    server: 'OpenAPI',
    features: ['prompts', 'resources', 'resource templates', 'completion', 'logging', 'subscriptions'],
    reason: 'An HTTP API has no such thing: the endpoint does not declare it.',
    shows: /^not declared$/,
  },
  {
    server: 'OpenAPI',
    features: ['progress'],
    reason: 'An HTTP API says nothing before its answer: none is heard.',
    shows: /^heard of 0 steps$/,
  },
  {
    server: 'OpenAPI',
    features: ['elicitation', 'sampling', 'roots'],
    reason: 'An HTTP API cannot ask: nobody is.',
    shows: /^nobody was asked: kept$/,
  },
]

export interface Cell {
  readonly client: EraClientName
  readonly server: EraServerName
  readonly feature: Feature
}

export function lossOf({ client, server, feature }: Cell): Loss | undefined {
  return losses.find(
    (loss) => loss.server === server && loss.features.includes(feature) && (loss.clients?.includes(client) ?? true),
  )
}

/** As the documentation has it. */
export function writtenMatrix(): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const tables = clientNames.map((client) => {
    const mark = (feature: Feature) => (server: EraServerName) => {
      const loss = lossOf({ client, server, feature })
      return loss === undefined ? 'kept' : `lost (${losses.indexOf(loss) + 1})`
    }
    const head = [row([client, ...serverNames]), row(['---', ...serverNames.map(() => '---')])]
    return [...head, ...features.map((feature) => row([feature, ...serverNames.map(mark(feature))]))].join('\n')
  })
  return [...tables, losses.map(({ reason }, index) => `${index + 1}. ${reason}`).join('\n')].join('\n\n')
}
