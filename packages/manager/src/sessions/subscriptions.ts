import { GatewayError } from '@toolgate/core'
import type { Hearer } from './hearer.ts'
import type { Sessions } from './sessions.ts'

/** Streams of `subscriptions/listen`, which each hold a socket for as long as their client likes. */
const maxOfOwner = 16
const maxInAll = 1_024

/** Who listens here, in either era. */
export interface Subscriptions {
  /** Until disposed. Throws `OVERLOADED` where there are too many, of this owner or in all. */
  open(subscription: Hearer): Disposable
  hearers(): Iterable<Hearer>
  /** Somebody here wants to hear of this resource, so the upstream is still to tell. */
  wanted(uri: string): boolean
}

export function createSubscriptions({ sessions }: { sessions: Pick<Sessions, 'live'> }): Subscriptions {
  const open = new Set<Hearer>()

  function* hearers(): Iterable<Hearer> {
    yield* sessions.live()
    yield* open
  }

  return {
    hearers,
    wanted: (uri) => [...hearers()].some((hearer) => hearer.subscribed(uri)),
    open(subscription) {
      const ofOwner = [...open].filter(({ owner }) => owner === subscription.owner).length
      if (ofOwner >= maxOfOwner) throw tooMany(`This caller has ${maxOfOwner} subscriptions open already.`)
      if (open.size >= maxInAll) throw tooMany('Too many subscriptions are open at this gateway.')
      open.add(subscription)
      return { [Symbol.dispose]: () => void open.delete(subscription) }
    },
  }
}

function tooMany(message: string): GatewayError {
  return new GatewayError('OVERLOADED', message)
}
