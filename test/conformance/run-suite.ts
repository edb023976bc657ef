import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SuiteName, suites } from './suites.ts'

/** What a suite said. Scenarios that do not count towards its verdict, such as those of extensions, are apart. */
export interface SuiteReport {
  readonly scenarios: readonly string[]
  /** Of the scenarios that count: what failed in each that failed. */
  readonly failures: Readonly<Record<string, readonly string[]>>
  readonly unscored: Readonly<Record<string, readonly string[]>>
  readonly exitCode: number
}

interface Check {
  readonly id: string
  readonly status: string
  readonly errorMessage?: string
}

const suiteTimeoutMs = 200_000

/** Has a suite judge the server at this address, in a process of its own. */
export async function judgeServer(name: SuiteName, url: string): Promise<SuiteReport> {
  return runSuite('server', name, ['--url', url])
}

/** Has a suite judge whatever the control plays in each of its scenarios. */
export async function judgeClient(name: SuiteName, controlUrl: string): Promise<SuiteReport> {
  const driver = join(import.meta.dirname, 'client-driver.ts')
  return runSuite('client', name, ['--command', `${process.execPath} ${driver} ${controlUrl}`])
}

async function runSuite(role: 'server' | 'client', name: SuiteName, subject: readonly string[]): Promise<SuiteReport> {
  const { program, selection } = suites[name]
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  try {
    const { exitCode, said } = await run([program, role, ...subject, ...selection, '-o', folder])
    const failing = await failuresIn(folder, role)
    const unscoredNames = new Set([...said.matchAll(/^ {2}[✓✗] (\S+) \(/gm)].map(([, scenario]) => scenario))
    const judged = [...said.matchAll(/^[✓✗] (\S+): /gm)].flatMap(([, scenario]) => scenario ?? [])
    const reported = (unscored: boolean) =>
      Object.fromEntries(failing.filter(([scenario]) => unscoredNames.has(scenario) === unscored))
    return {
      scenarios: judged.filter((scenario) => !unscoredNames.has(scenario)),
      failures: reported(false),
      unscored: reported(true),
      exitCode,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(args: readonly string[]): Promise<{ exitCode: number; said: string }> {
  return new Promise((resolve) => {
    // The suites colour what they print, unless told not to.
    const env = { ...process.env, NO_COLOR: '1' }
    const options = { env, timeout: suiteTimeoutMs, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(process.execPath, [...args], options, (_error, stdout) =>
      resolve({ exitCode: child.exitCode ?? 1, said: stdout }),
    )
  })
}

/** Each scenario leaves a folder, `server-<scenario>-<time>`, with what it checked. */
async function failuresIn(folder: string, role: string): Promise<(readonly [string, string[]])[]> {
  const named = new RegExp(`^(?:${role}-)?(.+)-\\d{4}-\\d{2}-\\d{2}T[\\d-]+Z$`)
  const failures: (readonly [string, string[]])[] = []
  for (const entry of await readdir(folder, { recursive: true })) {
    if (!entry.endsWith('checks.json')) continue
    const scenario = named.exec(entry.slice(0, -'/checks.json'.length))?.[1] ?? entry
    const checks: Check[] = JSON.parse(await readFile(join(folder, entry), 'utf8'))
    // What clients ought to do is theirs to do; of servers some of it is a matter of taste.
    const isFailure = (status: string) => status === 'FAILURE' || (role === 'client' && status === 'WARNING')
    const failed = checks.filter(({ status }) => isFailure(status))
    if (failed.length > 0)
      failures.push([scenario, failed.map(({ id, errorMessage = '' }) => `${id}: ${errorMessage}`)])
  }
  return failures
}
