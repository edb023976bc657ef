/**
 * Who was let in and may come in no more: a key can be blocked, deleted or expire while a request of its runs. All that is
 * under way is looked at every second and ended where it would be refused by now. Whom nobody can judge, because the store
 * cannot be asked, goes on.
 */
import { type Clock, type GatewayError, type Principal, startDeadline, toGatewayError } from '@toolgate/core'

/** Milliseconds. A change of a key takes less than another second to be known here, which makes two. */
const lookMs = 1_000
/** For all looks together: each is one at memory, or the store does not answer. */
const looksDeadlineMs = 5_000

export interface StandingCaller {
  /** As the request was admitted. */
  readonly again: (signal: AbortSignal) => Promise<Principal>
  /** Told once, with the failure that the request would have today. */
  dismiss(reason: GatewayError): void
}

export interface StandingCallers {
  /** Looks at a caller until the returned function is called. */
  watch(caller: StandingCaller): () => void
  close(): void
}

const dismissals = new Set(['CREDENTIAL_MISSING', 'CREDENTIAL_INVALID', 'KEY_EXPIRED', 'KEY_BLOCKED'])

/** Says that the caller may come in no more, and not that nobody knows. */
export function isDismissal({ code }: GatewayError): boolean {
  return dismissals.has(code)
}

export function createStandingCallers(clock: Clock): StandingCallers {
  // As many as there are connections, which the server bounds.
  const standing = new Set<StandingCaller>()
  let looking = false

  const judge = async (caller: StandingCaller, signal: AbortSignal) => {
    try {
      await caller.again(signal)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (isDismissal(error) && standing.delete(caller)) caller.dismiss(error)
    }
  }
  const look = async () => {
    if (looking || standing.size === 0) return
    looking = true
    using deadline = startDeadline(clock, looksDeadlineMs)
    await Promise.all([...standing].map((caller) => judge(caller, deadline.signal)))
    looking = false
  }
  const close = clock.every(lookMs, () => void look())

  return {
    watch(caller) {
      standing.add(caller)
      return () => void standing.delete(caller)
    },
    close,
  }
}
