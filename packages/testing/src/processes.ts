import { readFileSync } from 'node:fs'
import process from 'node:process'

/** Whether a process runs. One that has ended and that nobody has reaped does not, though its id is still taken. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    // ESRCH: no such process. Without /proc, that it can be signalled has to do.
    return error instanceof Error && 'path' in error && process.platform !== 'linux'
  }
}
