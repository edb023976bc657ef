import type { InFlightCall } from './in-flight-call.ts'

/**
 * The calls of one connection by id, the oldest first. No `Map`: with an entry that comes and goes per call it makes itself
 * a new table every few calls, and each table holds on to the next, and to the calls in it, until old memory is collected.
 */
export class CallsInFlight {
  readonly #byId: Record<number, InFlightCall> = {}

  add(call: InFlightCall): void {
    this.#byId[call.id] = call
  }

  delete({ id }: InFlightCall): void {
    delete this.#byId[id]
  }

  /** Our ids are numbers; whatever else a server names is none of them. */
  get(id: unknown): InFlightCall | undefined {
    return typeof id === 'number' ? this.#byId[id] : undefined
  }

  values(): readonly InFlightCall[] {
    return Object.values(this.#byId)
  }
}
