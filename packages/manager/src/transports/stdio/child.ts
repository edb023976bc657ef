import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import process from 'node:process'
import { type Clock, GatewayError } from '@toolgate/core'
import { type ChildPlace, hasProcessGroups } from './child-processes.ts'

/** Milliseconds that a child has to end by itself once its input ended, before SIGTERM. */
const endOfInputMs = 1_500

/** Milliseconds between SIGTERM and SIGKILL. With the one above less than the pool waits for what it closes. */
const terminationMs = 750

/** Milliseconds after SIGKILL, or after the exit while somebody else holds the pipes, that are waited for at most. */
const lastWaitMs = 500

/** Bytes that wait for a child which does not read; more are refused. */
const maxUnreadBytes = 64 * 1024 * 1024

export interface ChildCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildListeners {
  onOutput(chunk: Buffer): void
  onComplaint(chunk: Buffer): void
  /** It has ended and everything it wrote is read. Called once, for a child that had started. */
  onEnd(exit: ChildExit): void
}

/**
 * A process without a shell, leader of a process group: what ends it ends what it started. It refuses input beyond a bound,
 * and it ends for good with its leader: nothing of its group is left running.
 */
export class Child {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #clock: Clock
  readonly #exited = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  #exit: ChildExit | undefined
  #over = false
  #closing: Promise<void> | undefined

  /** Rejects with what the system says where the command cannot be run. The place is given back in any case. */
  static async start(
    command: ChildCommand,
    { clock, place, listeners }: { clock: Clock; place: ChildPlace; listeners: ChildListeners },
  ): Promise<Child> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    try {
      const child = new Child(command, { clock, place, listeners })
      child.#process.once('spawn', resolve).once('error', reject)
      await promise
      return child
    } catch (error) {
      place.release()
      throw error
    }
  }

  private constructor(
    { command, args, env, cwd }: ChildCommand,
    { clock, place, listeners }: { clock: Clock; place: ChildPlace; listeners: ChildListeners },
  ) {
    this.#clock = clock
    this.#process = spawn(command, args, {
      env: { ...env },
      ...(cwd !== undefined && { cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: hasProcessGroups,
      windowsHide: true,
    })
    const { pid, stdin, stdout, stderr } = this.#process
    if (pid !== undefined) place.spawned(pid)
    stdout.on('data', (chunk: Buffer) => listeners.onOutput(chunk))
    stderr.on('data', (chunk: Buffer) => listeners.onComplaint(chunk))
    // A child that closed its input is of no use any more; one that is exiting keeps its exit code.
    stdin.on('error', () => this.kill())
    for (const stream of [stdout, stderr]) stream.on('error', () => {})
    this.#process.on('error', () => {})
    this.#process.once('exit', (code, signal) => {
      // What it started and left behind; later the number may be somebody else's.
      this.#signal('SIGKILL')
      this.#exit = { code, signal }
      place.release()
      this.#exited.resolve()
      // A process that left the group may hold the pipes for ever.
      const cancel = clock.after(lastWaitMs, () => this.#finish(listeners))
      this.#process.once('close', () => {
        cancel()
        this.#finish(listeners)
      })
    })
  }

  /** Undefined once it has exited: the number may be somebody else's then. */
  get pid(): number | undefined {
    return this.#exit === undefined ? this.#process.pid : undefined
  }

  /** Resolves when the child's pipe has taken it. Rejects where too much waits already, or when the child ends first. */
  async write(text: string): Promise<void> {
    const { stdin } = this.#process
    if (this.#closing !== undefined) throw new Error('the input of the child has ended')
    if (stdin.writableLength > maxUnreadBytes) {
      throw new GatewayError('UPSTREAM_BUSY', 'The server does not read what it is sent.')
    }
    const failure = await new Promise<Error | null | undefined>((resolve) => stdin.write(text, resolve))
    if (!failure) return
    // The pipe breaks a moment before the exit is known; who waits hears of the exit, which says more.
    await this.#ended.promise
    throw failure
  }

  /** At once, with everything it started. */
  kill(): void {
    this.#signal('SIGKILL')
  }

  /** Ends its input, then asks, then forces. Resolves when it has gone, at the latest after the last wait. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#process.stdin.end()
    if (await this.#goneWithin(endOfInputMs)) return
    this.#signal('SIGTERM')
    if (await this.#goneWithin(terminationMs)) return
    this.#signal('SIGKILL')
    await this.#goneWithin(lastWaitMs)
  }

  async #goneWithin(ms: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(ms, resolve)
    await Promise.race([this.#exited.promise, late])
    cancel()
    return this.#exit !== undefined
  }

  #finish({ onEnd }: ChildListeners): void {
    if (this.#over || this.#exit === undefined) return
    this.#over = true
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream.destroy()
    onEnd(this.#exit)
    this.#ended.resolve()
  }

  /** To the whole group. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process
    if (pid === undefined || this.#exit !== undefined) return
    try {
      if (hasProcessGroups) process.kill(-pid, signal)
      else this.#process.kill(signal)
    } catch {
      // ESRCH: nobody is left to hear it.
    }
  }
}
