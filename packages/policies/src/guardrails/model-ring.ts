import type { JsonObject, Layer, TracedCall } from '@toolgate/core'
import { besides } from './besides.ts'
import { enforce, type Guarding } from './enforce.ts'
import { guardStream } from './guarded-stream.ts'
import type { NamedGuardrail } from './guardrail-entry.ts'
import type { GuardrailMode, TextSlot } from './guardrail.ts'
import { type FoundText, textsOfAnswer, textsOfRequest, withoutLogprobs, withTexts } from './texts.ts'

/** A request to a model, as far as guardrails know it. */
export interface GuardedModelCall extends TracedCall {
  readonly model: string
  readonly body: JsonObject
  readonly signal: AbortSignal
  /** Streaming: takes the stream and resolves when it has been read or left. */
  readonly deliver?: ((bytes: AsyncIterable<Uint8Array>) => Promise<void>) | undefined
}

/** `body` is absent where the answer was streamed. */
export interface GuardedAnswer {
  readonly body?: JsonObject | undefined
}

/** Guardrails around a request to a model: what it is asked before, or while, it answers, and its answer, also streamed. */
export function guardModelCalls<Call extends GuardedModelCall, Answer extends GuardedAnswer>(
  guarding: Guarding,
): Layer<Call, Answer> {
  return (call, next) => {
    const guardrails = guarding.set.holdingFor(call.caller)
    return guardrails.length === 0 ? next(call) : guarded(guarding, { call, guardrails, next })
  }
}

interface GuardedRequest<Call, Answer> {
  readonly call: Call
  readonly guardrails: readonly NamedGuardrail[]
  readonly next: (call: Call) => Promise<Answer>
}

async function guarded<Call extends GuardedModelCall, Answer extends GuardedAnswer>(
  guarding: Guarding,
  { call, guardrails, next }: GuardedRequest<Call, Answer>,
): Promise<Answer> {
  const { signal, model } = call
  const judge = (mode: GuardrailMode, slots: readonly TextSlot[], within = signal) =>
    enforce(guarding, { call, guardrails, mode, slots, about: { model }, signal: within })

  const asked = textsOfRequest(call.body)
  const changed = await judge('pre_call', asked)
  const body = changed === undefined ? call.body : withTexts(call.body, asked, unsigned(asked, changed))
  const judging = Promise.withResolvers<unknown>()
  // Nobody may be waiting for it when it fails.
  judging.promise.catch(() => {})
  const answer = await besides({
    judge(within) {
      judge('during_call', textsOfRequest(body), within).then(judging.resolve, judging.reject)
      return judging.promise
    },
    run: (within) =>
      next({ ...call, body, signal: within, ...delivering(call, { guardrails, judge, judged: judging.promise }) }),
    signal,
  })
  if (answer.body === undefined) return answer
  const answered = textsOfAnswer(answer.body)
  const shown = await judge('post_call', answered)
  return shown === undefined ? answer : { ...answer, body: withoutLogprobs(withTexts(answer.body, answered, shown)) }
}

/** Thinking that a provider signed is sent back as it was: changed, the provider would refuse it. */
function unsigned(asked: readonly FoundText[], changed: readonly string[]): readonly string[] {
  return asked.map(({ text, signed }, index) => (signed === true ? text : (changed[index] ?? '')))
}

interface Delivering {
  readonly guardrails: readonly NamedGuardrail[]
  readonly judge: (mode: GuardrailMode, slots: readonly TextSlot[]) => Promise<readonly string[] | undefined>
  /** That the request may be answered. */
  readonly judged: Promise<unknown>
}

/** Not a byte of a stream goes out before the request was judged, and none that was not judged itself. */
function delivering({ deliver }: GuardedModelCall, { guardrails, judge, judged }: Delivering) {
  if (deliver === undefined) return {}
  const judging = guardrails.filter(({ modes }) => modes.has('post_call'))
  return {
    async deliver(bytes: AsyncIterable<Uint8Array>) {
      try {
        await judged
      } catch (error) {
        await bytes[Symbol.asyncIterator]().return?.()
        throw error
      }
      if (judging.length === 0) return deliver(bytes)
      const windows = judging.map(({ guardrail }) => guardrail.window ?? Number.POSITIVE_INFINITY)
      const check = (slots: readonly TextSlot[]) => judge('post_call', slots)
      return deliver(guardStream(bytes, { check, window: Math.max(...windows) }))
    },
  }
}
