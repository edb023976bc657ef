import { readdirSync, readFileSync } from 'node:fs'

/** CPU time in microseconds. */
export interface CpuOfThreads {
  /** With the compiler and the collector, which Node runs on threads of their own. */
  readonly all: number
  /** The main thread. */
  readonly requests: number
  /** The thread of the embedded database; 0 where there is none. */
  readonly database: number
}

/** CPU time of a process so far, from `/proc/PID/task/*\/schedstat` (Linux): to the nanosecond, where `stat` counts 10 ms. */
export function cpuOfThreads(pid: number): CpuOfThreads {
  const threads = readdirSync(`/proc/${pid}/task`).map((id) => {
    const folder = `/proc/${pid}/task/${id}`
    const [nanoseconds] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ')
    return { id, name: readFileSync(`${folder}/comm`, 'utf8').trim(), microseconds: Number(nanoseconds) / 1000 }
  })
  const sum = (of: typeof threads) => of.reduce((total, { microseconds }) => total + microseconds, 0)
  return {
    all: sum(threads),
    requests: sum(threads.filter(({ id }) => id === String(pid))),
    database: sum(threads.filter(({ name }) => name === 'database')),
  }
}

export function cpuSince(before: CpuOfThreads, pid: number): CpuOfThreads {
  const now = cpuOfThreads(pid)
  return {
    all: now.all - before.all,
    requests: now.requests - before.requests,
    database: now.database - before.database,
  }
}
