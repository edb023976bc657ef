import type { Clock, Logger, Secret } from '@toolgate/core'
import { outOfProtocol, unreachable } from '../../upstream/failure.ts'
import type { MessageConnection } from '../../upstream/message-connection.ts'
import { withoutSecrets } from '../../upstream/redact.ts'
import { Child, type ChildCommand, type ChildExit } from './child.ts'
import type { ChildPlace } from './child-processes.ts'
import { type ChildLife, describeExit } from './history.ts'
import { createLineReader, type LineReader } from './line-reader.ts'
import { createTail, type Tail } from './stderr-tail.ts'

/** Bytes of one message; the child is ended beyond it. */
const maxMessageBytes = 64 * 1024 * 1024

/** Characters of the first line of junk, and of a dead child's last words, that the log gets. */
const maxLoggedLength = 2_048

export interface PipesOptions {
  readonly server: string
  readonly clock: Clock
  readonly log: Logger
  /** What the child is given; kept out of everything that is shown. */
  readonly secrets: readonly Secret[]
  readonly life: ChildLife
}

/** One child as a carrier of messages: a JSON text per line, both ways. */
export class Pipes {
  readonly #options: PipesOptions
  readonly #stderr: Tail
  #junkLines = 0
  #child: Child | undefined
  #closed = false

  constructor(options: PipesOptions) {
    this.#options = options
    this.#stderr = createTail(options.secrets)
  }

  /** Starts the command and feeds the connection with what it says. Rejects with what the system says. */
  async open(
    command: ChildCommand,
    { place, connection }: { place: ChildPlace; connection: MessageConnection },
  ): Promise<void> {
    const { clock, life } = this.#options
    const reader = this.#readerFor(connection)
    const child = await Child.start(command, {
      clock,
      place,
      listeners: {
        onOutput: (chunk) => reader.feed(chunk),
        onComplaint: (chunk) => this.#stderr.add(chunk),
        onEnd: (exit) => this.#ended(exit, connection),
      },
    })
    this.#child = child
    life.started({ pid: () => child.pid, stderr: this.#stderr.text, junkLines: () => this.#junkLines })
    // Whoever wanted it left while it was starting.
    if (this.#closed) void this.close()
  }

  async send(message: object): Promise<void> {
    if (this.#child === undefined) throw new Error('the child is not running')
    await this.#child.write(`${JSON.stringify(message)}\n`)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#options.life.closing()
    await this.#child?.close()
  }

  #readerFor(connection: MessageConnection): LineReader {
    return createLineReader({
      maxBytes: maxMessageBytes,
      onLine: (line) => {
        if (line.trim() !== '' && !connection.receive(parsed(line), line.length)) this.#skip(line)
      },
      onTooLong: () => {
        const what = `a message larger than ${maxMessageBytes} bytes, and was ended`
        connection.lost((place) => outOfProtocol(place, what))
        this.#child?.kill()
      },
    })
  }

  /** Servers print banners and debug output where only messages belong; what they mean to say comes anyway. */
  #skip(line: string): void {
    const { server, log, secrets } = this.#options
    this.#junkLines += 1
    if (this.#junkLines > 1) return
    const said = withoutSecrets(line, secrets).slice(0, maxLoggedLength)
    log.warn({ server, line: said }, 'stdio server prints what is no message on its standard output: it is skipped')
  }

  #ended(exit: ChildExit, connection: MessageConnection): void {
    const { server, log, life } = this.#options
    const said = this.#stderr.text()
    const facts = { server, ...exit, stderr: said.slice(-maxLoggedLength) }
    if (life.ended(exit)) log.warn(facts, 'stdio server ended unexpectedly')
    else log.debug(facts, 'stdio server ended')
    connection.lost((place) => unreachable(place, { ...describeExit(exit), internal: said }))
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Not a message; whoever reads it decides what that means.
    return undefined
  }
}
