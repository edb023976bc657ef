import { readFileSync } from 'node:fs'
import { Pool } from 'undici'

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
  readonly cpuMicrosecondsPerCall: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

/** Kernel clock ticks per second: `USER_HZ`, 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

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

  const cpuBefore = cpuMicroseconds(target.pid)
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, worker))
  const seconds = (performance.now() - started) / 1000
  const cpu = cpuMicroseconds(target.pid) - cpuBefore
  await pool.close()

  latencies.sort((left, right) => left - right)
  return {
    target: target.name,
    calls,
    callsPerSecond: calls / seconds,
    cpuMicrosecondsPerCall: cpu / calls,
    p50Milliseconds: percentile(latencies, 0.5),
    p99Milliseconds: percentile(latencies, 0.99),
  }
}

/** CPU time of a process so far, user and system, from `/proc` (Linux; proc(5), `stat` fields 14 and 15). */
function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1_000_000
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
