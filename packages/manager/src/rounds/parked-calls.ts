import {
  type Cancel,
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonRpcNotification,
  type JsonValue,
  type NewId,
  type Peer,
  untilAborted,
} from '@toolgate/core'
import { roundMs } from './call-states.ts'
import type { InputRequest } from './input-required.ts'

/** Calls of one principal, and of all, that wait for an answer of their clients; each holds a connection. */
const maxPerPrincipal = 16
const maxParked = 1_000

/** One round of a call, as its client sees it. */
export interface Round {
  readonly peer: Peer
  readonly signal: AbortSignal
  /** Of this round's request; absent where it wants no progress. */
  readonly progressToken: JsonValue | undefined
}

export type RoundOutcome<Result> =
  | { readonly result: Result }
  | { readonly requests: ReadonlyMap<string, InputRequest> }

/** Asks the upstream; what it asks back goes to `peer`. */
export type Work<Result> = (peer: Peer, signal: AbortSignal) => Promise<Result>

interface Question {
  readonly request: InputRequest
  readonly answer: PromiseWithResolvers<JsonObject>
}

/**
 * A call of a modern client to a server that asks back while it works. The question ends the round and the call goes on
 * waiting here, until the client comes back with the answer, or does not in time.
 */
export class ParkedCall<Result> {
  readonly id: string
  readonly principalId: string
  readonly #controller = new AbortController()
  readonly #questions = new Map<string, Question>()
  readonly #mayAsk: () => boolean
  #round: Round
  #count = 0
  #asked = Promise.withResolvers<void>()
  #work: Promise<Result>

  constructor(
    { id, principalId, mayAsk }: { id: string; principalId: string; mayAsk: () => boolean },
    { round, work }: { round: Round; work: Work<Result> },
  ) {
    this.id = id
    this.principalId = principalId
    this.#mayAsk = mayAsk
    this.#round = round
    const peer = new PeerOfRounds(() => this.#round.peer, {
      notify: (notification) => this.#notify(notification),
      request: ({ method, params = {} }, { signal }) => this.#ask({ method, params }, signal),
    })
    this.#work = work(peer, this.#controller.signal)
    // Between two rounds nobody listens; the next one hears of it.
    this.#work.catch(() => undefined)
  }

  /** Until it is over or the server wants to know more; leaving the round is leaving the call. */
  async next(round: Round): Promise<RoundOutcome<Result>> {
    this.#round = round
    try {
      return await untilAborted(round.signal, () =>
        Promise.race([this.#work.then((result) => ({ result })), this.#nextQuestions()]),
      )
    } catch (error) {
      if (round.signal.aborted) this.abandon(round.signal.reason)
      throw error
    }
  }

  /** Answers by key; what stays unanswered is asked again. */
  answer(responses: JsonObject): void {
    for (const [key, question] of this.#questions) {
      const response = responses[key]
      if (!isJsonObject(response)) continue
      this.#questions.delete(key)
      question.answer.resolve(response)
    }
  }

  /** Nobody will come back. */
  abandon(reason: unknown): void {
    this.#controller.abort(reason)
    for (const { answer } of this.#questions.values()) answer.reject(reason)
    this.#questions.clear()
  }

  async #nextQuestions(): Promise<{ requests: ReadonlyMap<string, InputRequest> }> {
    if (this.#questions.size === 0) {
      this.#asked = Promise.withResolvers()
      await this.#asked.promise
    }
    return { requests: new Map([...this.#questions].map(([key, { request }]) => [key, request])) }
  }

  async #ask(request: InputRequest, signal: AbortSignal): Promise<JsonObject> {
    if (!this.#mayAsk()) throw new GatewayError('OVERLOADED', 'Too many calls wait for their clients.')
    this.#count += 1
    const key = `input-${this.#count}`
    const answer = Promise.withResolvers<JsonObject>()
    this.#questions.set(key, { request: asInModernEra(request), answer })
    this.#asked.resolve()
    try {
      return await untilAborted(signal, () => answer.promise)
    } finally {
      this.#questions.delete(key)
    }
  }

  #notify(notification: JsonRpcNotification): void {
    const { peer, progressToken } = this.#round
    if (notification.method !== 'notifications/progress') return peer.notify(notification)
    if (progressToken === undefined) return
    peer.notify({ ...notification, params: { ...notification.params, progressToken } })
  }
}

/** The client as the server sees it, the same over all rounds. A class for its getters: `ReceivedResponse` in core says why. */
class PeerOfRounds implements Peer {
  readonly era = 'modern'
  readonly notify: Peer['notify']
  readonly request: Peer['request']
  readonly #current: () => Peer

  constructor(current: () => Peer, { notify, request }: Pick<Peer, 'notify' | 'request'>) {
    this.#current = current
    this.notify = notify
    this.request = request
  }

  get capabilities(): JsonObject {
    return this.#current().capabilities
  }

  get logLevel(): string | undefined {
    return this.#current().logLevel
  }
}

/** The id of an elicitation went with the notification that it is complete. */
function asInModernEra({ method, params }: InputRequest): InputRequest {
  const { elicitationId: _, ...rest } = params
  return { method, params: method === 'elicitation/create' ? rest : params }
}

export interface ParkedCalls<Result> {
  begin(principalId: string, of: { round: Round; work: Work<Result> }): ParkedCall<Result>
  /** Until the client comes back. */
  park(call: ParkedCall<Result>): void
  /** Undefined where it waited too long, or waits at another gateway. */
  resume(id: string): ParkedCall<Result> | undefined
  /** Abandons all that wait. */
  close(): void
}

export function createParkedCalls<Result>({
  clock,
  newId,
}: {
  readonly clock: Clock
  readonly newId: NewId
}): ParkedCalls<Result> {
  const parked = new Map<string, { readonly call: ParkedCall<Result>; readonly cancel: Cancel }>()

  const mayAsk = (principalId: string) => {
    if (parked.size >= maxParked) return false
    const own = [...parked.values()].filter(({ call }) => call.principalId === principalId)
    return own.length < maxPerPrincipal
  }

  const take = (id: string) => {
    const entry = parked.get(id)
    parked.delete(id)
    entry?.cancel()
    return entry?.call
  }

  return {
    begin: (principalId, of) =>
      new ParkedCall({ id: newId('parked'), principalId, mayAsk: () => mayAsk(principalId) }, of),
    park(call) {
      const cancel = clock.after(roundMs, () => take(call.id)?.abandon(neverAnswered()))
      parked.set(call.id, { call, cancel })
    },
    resume: take,
    close() {
      for (const id of parked.keys()) take(id)?.abandon(neverAnswered())
    },
  }
}

function neverAnswered(): GatewayError {
  return new GatewayError('CANCELLED', 'The client did not come back with its answer.')
}
