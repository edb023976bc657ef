/**
 * What a client holds of a sign-in that was relayed to a server: a code that stands for the server's, and a refresh token that
 * stands for the server's. Both are sealed, so that only the gateway can use what is inside, and only for the client they were
 * given to. Nothing of them is kept; who consented stands in them, and they end when a grant of theirs would.
 */
import { type Clock, Secret } from '@toolgate/core'
import { z } from 'zod'
import { signedInPersonSchema } from '../inbound/jwt/person.ts'
import type { Sealer } from '../tokens/sealing.ts'
import type { Consenter } from './consenters.ts'
import { lifetimes } from './lifetimes.ts'
import { relayPrefixes as prefixes } from './tokens.ts'

const consenterSchema = z.object({ keyHash: z.string(), person: signedInPersonSchema.nullable() })

const codeSchema = z.object({
  /** Id of the server. */
  server: z.string(),
  consenter: consenterSchema,
  clientId: z.string(),
  redirectUri: z.string(),
  codeChallenge: z.string(),
  audience: z.string(),
  /** The answer of the server's authorization server, and what was kept for it. */
  code: z.string(),
  iss: z.string().optional(),
  kept: z.string(),
  until: z.number(),
})

const refreshSchema = z.object({
  server: z.string(),
  consenter: consenterSchema,
  clientId: z.string(),
  audience: z.string(),
  refresh: z.string(),
  kept: z.string(),
  /** Milliseconds since the epoch; the ticket that takes its place ends then as well. */
  until: z.number(),
})

export type RelayedCode = Omit<z.output<typeof codeSchema>, 'until' | 'consenter'> & { readonly consenter: Consenter }
export type RelayedRefresh = Omit<z.output<typeof refreshSchema>, 'consenter'> & { readonly consenter: Consenter }

export interface RelayTickets {
  sealCode(code: RelayedCode): Promise<Secret>
  /** Undefined for what is none of ours, or too old. */
  openCode(text: string): Promise<RelayedCode | undefined>
  /** When a sign-in ends that this consenter begins now. */
  endOf(consenter: Consenter): number
  sealRefresh(token: RelayedRefresh): Promise<Secret>
  /** As `openCode`. */
  openRefresh(text: string): Promise<RelayedRefresh | undefined>
  /** Told by how they begin: everything else is the gateway's own. */
  isCode(text: string): boolean
  isRefresh(text: string): boolean
}

/** As long as a code of the gateway's own: a browser loads a page. */
const codeMs = 60_000
const longestTicket = 32_768

export function createRelayTickets({
  sealer,
  clock,
}: {
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  readonly clock: Clock
}): RelayTickets {
  const seal = async (kind: keyof typeof prefixes, content: object) =>
    new Secret(prefixes[kind] + (await sealer.seal(new Secret(JSON.stringify(content)), subject(kind))))

  const open = async (kind: keyof typeof prefixes, text: string): Promise<unknown> => {
    const prefix = prefixes[kind]
    if (!text.startsWith(prefix) || text.length > longestTicket) return undefined
    try {
      return JSON.parse((await sealer.open(text.slice(prefix.length), subject(kind))).reveal())
    } catch {
      // A stranger's text: that it is none of ours is the answer.
      return undefined
    }
  }

  return {
    sealCode: (code) => seal('code', { ...code, until: clock.now() + codeMs }),
    async openCode(text) {
      const { data } = codeSchema.safeParse(await open('code', text))
      return data !== undefined && data.until > clock.now() ? data : undefined
    },
    endOf: ({ person }) => clock.now() + (person === null ? lifetimes.grantMs : lifetimes.personGrantMs),
    sealRefresh: (token) => seal('refresh', token),
    async openRefresh(text) {
      const { data } = refreshSchema.safeParse(await open('refresh', text))
      return data !== undefined && data.until > clock.now() ? data : undefined
    },
    isCode: (text) => text.startsWith(prefixes.code),
    isRefresh: (text) => text.startsWith(prefixes.refresh),
  }
}

function subject(kind: keyof typeof prefixes): string {
  return `oauth_relay:${kind}`
}
