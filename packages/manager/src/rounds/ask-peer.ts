import { type JsonObject, type NewId, type Peer } from '@toolgate/core'
import type { InputRequest } from './input-required.ts'

export interface Asking {
  readonly peer: Peer
  readonly signal: AbortSignal
  readonly newId: NewId
}

/**
 * Asks a client of the legacy era what a server of the modern one wants to know, all of it at once; the answers by key.
 * Rejects with the first failure, and takes the other questions back.
 */
export async function askPeer(
  requests: ReadonlyMap<string, InputRequest>,
  { peer, signal, newId }: Asking,
): Promise<JsonObject> {
  const round = new AbortController()
  const within = AbortSignal.any([signal, round.signal])
  try {
    const answers = [...requests].map(async ([key, { method, params }]) => {
      const question = { method, params: isAddress(method, params) ? withElicitationId(params, newId) : params }
      return [key, await peer.request(question, { signal: within })] as const
    })
    return Object.fromEntries(await Promise.all(answers))
  } finally {
    round.abort()
  }
}

function isAddress(method: string, { mode }: JsonObject): boolean {
  return method === 'elicitation/create' && mode === 'url'
}

/** Required up to 2025-11-25, and gone after it. Nobody will say that this one is complete. */
function withElicitationId(params: JsonObject, newId: NewId): JsonObject {
  return { elicitationId: newId('elicitation'), ...params }
}
