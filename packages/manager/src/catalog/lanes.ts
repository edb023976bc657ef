import type { Cancel, Clock } from '@toolgate/core'

/**
 * How many servers are asked at once in the background. Work that has not ended within `quickMs` moves over to the slow lane
 * and makes room for the next: servers that hang delay the others for that long, and never hold all the places.
 */
export interface LaneBounds {
  readonly quick: number
  readonly quickMs: number
  readonly slow: number
}

export const defaultLaneBounds: LaneBounds = { quick: 16, quickMs: 1_000, slow: 64 }

export interface Lanes {
  /** Runs `work` when there is room; under a key that waits or runs already, waits for that. Never rejects. */
  add(key: string, work: () => Promise<unknown>): Promise<void>
  /** Nothing that waits is begun any more, and nobody waits. */
  close(): void
}

interface Job {
  readonly key: string
  readonly work: () => Promise<unknown>
  readonly done: PromiseWithResolvers<void>
  lane: 'waiting' | 'quick' | 'slow'
  isLate: boolean
  cancelTimer: Cancel
}

/** As many jobs wait as there are keys, which are lists of servers. */
export function createLanes(clock: Clock, bounds: LaneBounds = defaultLaneBounds): Lanes {
  const jobs = new Map<string, Job>()
  const countIn = (lane: Job['lane']) => [...jobs.values()].filter((job) => job.lane === lane).length
  let closed = false

  const moveOver = () => {
    for (const job of jobs.values()) {
      if (job.lane === 'quick' && job.isLate && countIn('slow') < bounds.slow) job.lane = 'slow'
    }
  }

  const begin = () => {
    if (closed) return
    moveOver()
    let room = bounds.quick - countIn('quick')
    for (const job of jobs.values()) {
      if (room <= 0) return
      if (job.lane !== 'waiting') continue
      room -= 1
      run(job)
    }
  }

  const run = (job: Job) => {
    job.lane = 'quick'
    job.cancelTimer = clock.after(bounds.quickMs, () => {
      job.isLate = true
      begin()
    })
    const end = () => {
      job.cancelTimer()
      jobs.delete(job.key)
      job.done.resolve()
      begin()
    }
    job.work().then(end, end)
  }

  return {
    add(key, work) {
      if (closed) return Promise.resolve()
      const known = jobs.get(key)
      if (known !== undefined) return known.done.promise
      const done = Promise.withResolvers<void>()
      jobs.set(key, { key, work, done, lane: 'waiting', isLate: false, cancelTimer: () => {} })
      begin()
      return done.promise
    },
    close() {
      closed = true
      for (const { cancelTimer, done } of jobs.values()) {
        cancelTimer()
        done.resolve()
      }
      jobs.clear()
    },
  }
}
