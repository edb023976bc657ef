/**
 * Concurrent callers of one key share one run of `work`. The entry lives only while the work runs, so the map is
 * bounded by the work in progress; nothing is cached, neither results nor failures.
 *
 * The work gets a signal of its own, aborted when the last waiting caller has gone: one caller's cancellation must
 * not fail the others, and work nobody waits for must not go on.
 */
export function createSingleFlight<Result>(): SingleFlight<Result> {
  const flights = new Map<string, Flight<Result>>()

  const forget = (key: string, flight: Flight<Result>) => {
    if (flights.get(key) === flight) flights.delete(key)
  }

  const depart = (key: string, work: Work<Result>): Flight<Result> => {
    const controller = new AbortController()
    const flight: Flight<Result> = { result: work(controller.signal), controller, passengers: 0, landed: false }
    flights.set(key, flight)
    const land = () => {
      flight.landed = true
      forget(key, flight)
    }
    flight.result.then(land, land)
    return flight
  }

  return async (key, signal, work) => {
    signal.throwIfAborted()
    const flight = flights.get(key) ?? depart(key, work)
    flight.passengers += 1
    const { promise: cancelled, reject } = Promise.withResolvers<never>()
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([flight.result, cancelled])
    } finally {
      signal.removeEventListener('abort', leave)
      flight.passengers -= 1
      if (flight.passengers === 0 && !flight.landed) {
        forget(key, flight)
        flight.controller.abort()
      }
    }
  }
}

type Work<Result> = (signal: AbortSignal) => Promise<Result>

export type SingleFlight<Result> = (key: string, signal: AbortSignal, work: Work<Result>) => Promise<Result>

interface Flight<Result> {
  readonly result: Promise<Result>
  readonly controller: AbortController
  passengers: number
  landed: boolean
}
