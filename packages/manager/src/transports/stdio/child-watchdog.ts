/**
 * Runs as a process of its own beside a gateway that has children: when the gateway is gone, however it went, it ends the
 * process groups that the gateway left behind. Each line on standard input is `+<group>` or `-<group>`; the end of the
 * input is the end of the gateway. It imports nothing of ours, so it is small and starts at once.
 */
import process from 'node:process'

/** Milliseconds that groups have between SIGTERM and SIGKILL. */
const graceMs = 1_000

/** Milliseconds between two looks at whether they are gone. */
const lookMs = 50

const groups = new Set<number>()
let unfinished = ''

// The terminal's Ctrl-C and a service manager's SIGTERM are for the gateway, which may take a while to end its children.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

process.stdin.setEncoding('utf8')
process.stdin.on('data', (text: string) => {
  const lines = (unfinished + text).split('\n')
  unfinished = lines.pop() ?? ''
  for (const line of lines) note(line)
})
process.stdin.on('end', endAll)
process.stdin.on('error', endAll)

function note(line: string): void {
  const group = Number(line.slice(1))
  // 0 and 1 would mean our own group and everything.
  if (!Number.isSafeInteger(group) || group <= 1) return
  if (line.startsWith('+')) groups.add(group)
  else groups.delete(group)
}

/** Blocks while it waits: there is nothing else this process could do meanwhile. */
function endAll(): void {
  signalAll('SIGTERM')
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited < graceMs && groups.size > 0; waited += lookMs) {
    Atomics.wait(sleeper, 0, 0, lookMs)
    signalAll(0)
  }
  signalAll('SIGKILL')
  process.exit(0)
}

/** Signal 0 only looks. A group that is gone is forgotten: its number may be given to somebody else. */
function signalAll(signal: NodeJS.Signals | 0): void {
  for (const group of groups) {
    try {
      process.kill(-group, signal)
    } catch {
      // ESRCH: nobody is left in it.
      groups.delete(group)
    }
  }
}
