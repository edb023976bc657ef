import type { RecordStore } from './record-store.ts'

/**
 * Approvals of calls that have been used. Each holds once, on every replica: a conversation is sent again with every request,
 * and what it says of an earlier call must not run that call another time.
 */
export interface Approvals {
  /** False: it was used before. Rejects with `STORE_UNAVAILABLE` where nobody can say: then nothing runs. */
  use(owner: string, requestId: string): Promise<boolean>
}

/** Longer than a response can be continued by its id. */
const lifetimeMs = 30 * 24 * 3_600_000

export function createApprovals({ store }: { store: Pick<RecordStore, 'claim'> }): Approvals {
  return { use: (owner, requestId) => store.claim({ owner, kind: 'approval', name: requestId, lifetimeMs }) }
}
