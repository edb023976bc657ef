import type { Session } from './session.ts'

/** Streams that are taken up at a time, of one session and in all: each asks the store again and again. */
const maxOfSession = 16
const maxInAll = 1_024

/** Counts who takes up streams that broke. What is beyond a bound is refused; the client may come back for it. */
export interface Resumptions {
  /** Until disposed; undefined where there are too many. */
  begin(session: Session): Disposable | undefined
}

export function createResumptions(): Resumptions {
  const ofSession = new Map<Session, number>()
  let inAll = 0

  const count = (session: Session, change: 1 | -1) => {
    inAll += change
    const now = (ofSession.get(session) ?? 0) + change
    if (now > 0) ofSession.set(session, now)
    else ofSession.delete(session)
  }

  return {
    begin(session) {
      if (inAll >= maxInAll || (ofSession.get(session) ?? 0) >= maxOfSession) return undefined
      count(session, 1)
      return { [Symbol.dispose]: () => count(session, -1) }
    },
  }
}
