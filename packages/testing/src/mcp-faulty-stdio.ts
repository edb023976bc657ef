import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Children with faults, as settings of the `stdio` transport, and what became of their processes. */
export interface FaultyChildren extends AsyncDisposable {
  /** A server whose child behaves as this mood of `mcp-faulty-child.ts` does; `token` is in its environment. */
  host(mood: string, token: string): object
  /** Process ids of all children, and of what those started. */
  started(): Promise<readonly number[]>
  /** Those of them that still run. */
  running(): Promise<readonly number[]>
}

export async function prepareFaultyChildren(): Promise<FaultyChildren> {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-faulty-'))
  const program = join(import.meta.dirname, 'mcp-faulty-child.ts')
  const started = async () => (await readdir(folder)).map(Number)
  return {
    host: (mood, token) => ({ command: process.execPath, args: [program, mood], env: { TOKEN: token }, cwd: folder }),
    started,
    running: async () => (await started()).filter(isRunning),
    async [Symbol.asyncDispose]() {
      // A test that found children left must not leave them.
      for (const pid of (await started()).filter(isRunning)) process.kill(pid, 'SIGKILL')
      await rm(folder, { recursive: true })
    },
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // No such process.
    return false
  }
}
