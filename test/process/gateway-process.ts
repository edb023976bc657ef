import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, vi } from 'vitest'

/** The real process, started the way the README says, in a folder and an environment of its own. */
export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number
  /** What it wrote so far. */
  readonly stdout: string
  readonly stderr: string
  /** Resolves with the printed address once the whole banner is there. Rejects where the process ends before. */
  listening(): Promise<string>
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended and all it wrote is read. */
  readonly ended: Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Place extends Disposable {
  /** Where the process is started; nothing of it is left afterwards. */
  readonly folder: string
  /** Not there before the first start. */
  readonly dataDirectory: string
  /** Writes a file into the folder and returns its path. */
  write(name: string, content: string | object): string
  /** `./start` with these arguments. */
  start(argv?: readonly string[], environment?: Readonly<Record<string, string>>): GatewayProcess
  /** The same with the data folder and a free port. */
  startGateway(options?: GatewayOptions): GatewayProcess
  /** `./start` with these arguments, until it ends. */
  run(argv?: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Ended>
  /** The same with the data folder and a free port, for starts that must fail. */
  runGateway(options?: GatewayOptions): Promise<Ended>
}

export interface GatewayOptions {
  readonly config?: string
  readonly port?: number
  readonly argv?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export const repository = join(import.meta.dirname, '..', '..')
const everything = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/dist/index.js')

/** Milliseconds within which a gateway must listen, also for the first time on a machine that is busy with other tests. */
const startBoundMs = 60_000

// Several processes are started one after the other; alone on a machine each takes a second or two.
vi.setConfig({ testTimeout: 3 * startBoundMs, hookTimeout: 2 * startBoundMs })

export function createPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'toolgate-process-'))
  const dataDirectory = join(folder, 'data')
  const commands = refuseToInstall(folder)
  const children = new Set<ChildProcess>()

  const start: Place['start'] = (argv = [], environment = {}) => {
    const child = spawn(join(repository, 'start'), argv, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: `${commands}:${process.env['PATH']}`, HOME: folder, ...environment },
    })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return observed(child)
  }
  const startGateway: Place['startGateway'] = ({ config, port = 0, argv = [], environment } = {}) => {
    const file = config === undefined ? [] : ['--config', config]
    return start(['--port', String(port), '--data-dir', dataDirectory, ...file, ...argv], environment)
  }

  return {
    folder,
    dataDirectory,
    write(name, content) {
      const path = join(folder, name)
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
      return path
    },
    start,
    startGateway,
    run: (argv, environment) => start(argv, environment).ended,
    runGateway: (options) => startGateway(options).ended,
    [Symbol.dispose]() {
      for (const child of children) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Where dependencies are installed nothing may be installed; a start that tries ends with this instead. */
function refuseToInstall(folder: string): string {
  const commands = join(folder, 'commands')
  mkdirSync(commands)
  const npx = join(commands, 'npx')
  writeFileSync(npx, '#!/bin/sh\necho "a test must not install: npx $*" >&2\nexit 97\n')
  chmodSync(npx, 0o755)
  return commands
}

function observed(child: ChildProcess): GatewayProcess {
  const { pid, stdout, stderr } = child
  if (pid === undefined || stdout === null || stderr === null) throw new TypeError('the process did not start')
  const written = { stdout: '', stderr: '' }
  const collect = async (stream: NodeJS.ReadableStream, name: keyof typeof written) => {
    stream.on('data', (chunk: Buffer) => {
      written[name] += chunk.toString()
    })
    await text(stream)
  }
  const exit = once(child, 'exit')
  const ended = (async (): Promise<Ended> => {
    await Promise.all([exit, collect(stdout, 'stdout'), collect(stderr, 'stderr')])
    return { code: child.exitCode, signal: child.signalCode, ...written }
  })()

  return {
    pid,
    get stdout() {
      return written.stdout
    },
    get stderr() {
      return written.stderr
    },
    async listening() {
      const address = await vi.waitFor(() => addressIn(written.stdout, child), { timeout: startBoundMs, interval: 20 })
      if (address === undefined) throw new Error(`the gateway ended instead of listening: ${written.stderr}`)
      return address
    },
    signal: (name) => void child.kill(name),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** The banner ends with an empty line, and the log may go on behind it; undefined where none will come. */
function addressIn(output: string, child: ChildProcess): string | undefined {
  const address = /^toolgate listens on (\S+)\n[\s\S]*\n\n(?:\{|$)/m.exec(output)?.[1]
  if (address === undefined && child.exitCode === null && child.signalCode === null)
    throw new Error(`silent: ${output}`)
  return address
}

/** `server-everything` as an entry of `mcp_servers` that leaves its process id in a file. */
export function everythingWithPidFile(pidFile: string): object {
  return { command: 'sh', args: ['-c', `echo $$ > '${pidFile}'; exec node '${everything}' stdio`] }
}

/** Whether a process of this id is there. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch {
    // ESRCH: it is gone. Nobody else's process has an id that one of ours had a moment ago.
    return false
  }
}

/** The JSON lines of the log: everything before and after the banner. */
export function logLines(output: string): readonly Record<string, unknown>[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{"level"'))
    .map((line) => JSON.parse(line))
}

/** A start that failed as it should: one line per fault on standard error and nothing else, no stack, no secret. */
export function expectRefusal({ code, stdout, stderr }: Ended, ...lines: readonly (string | RegExp)[]): void {
  expect(stderr).not.toMatch(/\n\s+at |node:internal|hush/)
  expect(stderr.split('\n')).toEqual([
    ...lines.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))),
    '',
  ])
  expect(stdout).not.toContain('toolgate listens')
  expect(code).toBe(1)
}
