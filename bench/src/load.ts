import { Pool } from 'undici'
import { type CpuOfThreads, cpuOfThreads, cpuSince } from './cpu.ts'

export interface Target {
  readonly name: string
  readonly pid: number
  readonly origin: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Round {
  readonly target: string
  readonly calls: number
  readonly callsPerSecond: number
  /** Of the process under test. */
  readonly cpuMicrosecondsPerCall: CpuOfThreads
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

/** Sends `calls` requests with `inFlight` of them under way, then stops. Throws on the first answer that is not a 200. */
export async function runRound(
  target: Target,
  { calls, inFlight }: { calls: number; inFlight: number },
): Promise<Round> {
  const pool = new Pool(target.origin, { connections: inFlight })
  const latencies: number[] = []
  let left = calls

  const worker = async () => {
    while (left > 0) {
      left -= 1
      const started = performance.now()
      const { statusCode, body } = await pool.request({
        path: target.path,
        method: 'POST',
        headers: target.headers,
        body: target.body,
      })
      const text = await body.text()
      if (statusCode !== 200) throw new Error(`${target.name} answered ${statusCode}: ${text.slice(0, 200)}`)
      latencies.push(performance.now() - started)
    }
  }

  const cpuBefore = cpuOfThreads(target.pid)
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, worker))
  const seconds = (performance.now() - started) / 1000
  const cpu = cpuSince(cpuBefore, target.pid)
  await pool.close()

  latencies.sort((left, right) => left - right)
  return {
    target: target.name,
    calls,
    callsPerSecond: calls / seconds,
    cpuMicrosecondsPerCall: { all: cpu.all / calls, requests: cpu.requests / calls, database: cpu.database / calls },
    p50Milliseconds: percentile(latencies, 0.5),
    p99Milliseconds: percentile(latencies, 0.99),
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
