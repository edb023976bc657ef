import { type Clock, GatewayError, type Logger, type PolicyDecision, type TracedCall } from '@toolgate/core'
import type { NamedGuardrail } from './guardrail-entry.ts'
import type { GuardrailSet } from './guardrail-set.ts'
import { GuardrailFault, type GuardrailMode, type Subject, type TextSlot, type Verdict } from './guardrail.ts'

/** What both rings have guardrails judge with. */
export interface Guarding {
  readonly set: GuardrailSet
  readonly clock: Clock
  readonly log: Logger
  /** Hears of every decision, for metrics. */
  readonly onDecision?: ((decision: PolicyDecision) => void) | undefined
}

export interface Judged {
  readonly call: TracedCall
  readonly guardrails: readonly NamedGuardrail[]
  readonly mode: GuardrailMode
  readonly slots: readonly TextSlot[]
  readonly about: Pick<Subject, 'model' | 'server' | 'tool'>
  readonly signal: AbortSignal
}

/**
 * Has every guardrail of the mode judge the texts, each what the one before it made of them. Resolves with the texts where one
 * was changed. Rejects with `GUARDRAIL_DENIED`, and with `GUARDRAIL_UNAVAILABLE` where one could not judge and its operator did
 * not say that calls go on without it.
 */
export async function enforce(guarding: Guarding, judged: Judged): Promise<readonly string[] | undefined> {
  let slots = judged.slots
  for (const guardrail of judged.guardrails) {
    if (!guardrail.modes.has(judged.mode)) continue
    const verdict = await judge(guarding, guardrail, { ...judged, slots })
    if (verdict.outcome === 'denied') throw denied(guardrail, verdict.reason)
    if (verdict.outcome === 'changed') {
      const { texts } = verdict
      slots = slots.map((slot, index) => ({ ...slot, text: texts[index] ?? '' }))
    }
  }
  return slots === judged.slots ? undefined : slots.map(({ text }) => text)
}

async function judge(guarding: Guarding, guardrail: NamedGuardrail, judged: Judged): Promise<Verdict> {
  const { clock } = guarding
  const { call, mode, slots, about, signal } = judged
  const { principal, request } = call.caller
  const startedAt = clock.monotonic()
  const decided = (outcome: PolicyDecision['outcome'], facts: Pick<PolicyDecision, 'rule' | 'count'> = {}) =>
    decide(guarding, call, {
      policy: guardrail.name,
      mode,
      outcome,
      milliseconds: clock.monotonic() - startedAt,
      ...facts,
    })
  try {
    const subject = { slots, mode, caller: principal, callId: call.trace.callId, traceId: request.traceId, ...about }
    const verdict = await guardrail.guardrail.check(subject, signal)
    decided(verdict.outcome, {
      ...('rule' in verdict && { rule: verdict.rule }),
      ...(verdict.outcome === 'changed' && { count: verdict.count }),
    })
    return verdict
  } catch (error) {
    if (signal.aborted) throw error
    const { name: policy, onFailure } = guardrail
    const problem = problemOf(error)
    guarding.log.error(
      { policy, mode, onFailure, problem, callId: call.trace.callId },
      'a guardrail could not judge a call',
    )
    if (onFailure === 'allow') {
      decided('failed')
      return { outcome: 'allowed' }
    }
    decided('denied', { rule: 'unavailable' })
    throw unavailable(guardrail)
  }
}

/** Gravest last: of several decisions about one call, as about the parts of a stream, the row keeps the gravest. */
const gravity = ['allowed', 'changed', 'failed', 'denied'] as const satisfies readonly PolicyDecision['outcome'][]

function decide({ log, onDecision }: Guarding, { trace }: TracedCall, decision: PolicyDecision): void {
  const decisions = (trace.decisions ??= [])
  const at = decisions.findIndex(({ policy, mode }) => policy === decision.policy && mode === decision.mode)
  const earlier = decisions[at]
  if (earlier === undefined) decisions.push(decision)
  else decisions[at] = joined(earlier, decision)
  onDecision?.(decision)
  if (decision.outcome !== 'allowed') log.info({ callId: trace.callId, ...decision }, 'a guardrail decided')
}

function joined(earlier: PolicyDecision, later: PolicyDecision): PolicyDecision {
  const graver = gravity.indexOf(later.outcome) >= gravity.indexOf(earlier.outcome) ? later : earlier
  const count = (earlier.count ?? 0) + (later.count ?? 0)
  return {
    ...graver,
    milliseconds: earlier.milliseconds + later.milliseconds,
    ...(count > 0 && { count }),
  }
}

/** Clients in the field match on the first two words. */
function denied({ name }: NamedGuardrail, reason: string): GatewayError {
  return new GatewayError('GUARDRAIL_DENIED', `Guardrail violation - ${name}: ${reason}.`, {
    details: { guardrail: name },
  })
}

/** Any other error may quote what it was about. */
function problemOf(error: unknown): string {
  if (error instanceof GuardrailFault) return error.message
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error ? `${error.name} ${String(error.code)}` : error.name
}

function unavailable({ name }: NamedGuardrail): GatewayError {
  return new GatewayError(
    'GUARDRAIL_UNAVAILABLE',
    `The guardrail "${name}" cannot judge this call now. Try again later.`,
    {
      details: { guardrail: name },
    },
  )
}

/** Whatever a stream holds back must be judged before it is too much to hold. */
export function tooLongToJudge(): GatewayError {
  return new GatewayError('GUARDRAIL_DENIED', 'Guardrail violation - the answer is too long to be judged.')
}
