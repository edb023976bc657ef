/**
 * Who was let in and may come in no more: a key can be blocked, deleted or expire while a request of its runs, and a consent be
 * taken back. All that is under way is looked at every second and ended where it would be refused by now. Whom nobody can
 * judge, because the store cannot be asked, goes on; so does whose token has run out meanwhile, which is renewed and not refused.
 */
import { type Clock, type GatewayError, type Principal, Roster, startDeadline, toGatewayError } from '@toolgate/core'

/** Milliseconds. A change of a key takes less than another second to be known here, which makes two. */
const lookMs = 1_000
/** For one look: it is one at memory, or the store does not answer. */
const lookDeadlineMs = 5_000

export interface StandingCaller {
  /** As the request was admitted, a token of it judged as of then. */
  readonly still: (signal: AbortSignal) => Promise<Principal>
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

/** One request under way. */
interface Standing {
  readonly caller: StandingCaller
  /** One that nobody can judge holds up no other. */
  isBeingJudged: boolean
  /** Answered, or dismissed. */
  isOver: boolean
}

export function createStandingCallers(clock: Clock): StandingCallers {
  // As many as there are connections, which the server bounds.
  const roster = new Roster<Standing>()

  const judge = async (standing: Standing) => {
    standing.isBeingJudged = true
    try {
      using deadline = startDeadline(clock, lookDeadlineMs)
      await standing.caller.still(deadline.signal)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (standing.isOver || !isDismissal(error)) return
      standing.isOver = true
      standing.caller.dismiss(error)
    } finally {
      standing.isBeingJudged = false
    }
  }
  const close = clock.every(lookMs, () => {
    for (const standing of roster.values()) if (!standing.isBeingJudged && !standing.isOver) void judge(standing)
  })

  return {
    watch(caller) {
      const standing = { caller, isBeingJudged: false, isOver: false }
      const leave = roster.enter(standing)
      return () => {
        standing.isOver = true
        leave()
      }
    },
    close,
  }
}
