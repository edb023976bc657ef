import { GatewayError } from '@toolgate/core'

/**
 * Between what writes a stream and who reads it. Holds a bounded number of bytes: a writer waits for a reader that is
 * slow, and with it the model that it reads from.
 */
export interface ByteChannel {
  /** Resolves as soon as there is room for more. Rejects with `CANCELLED` once the reader has left. */
  send(bytes: Uint8Array): Promise<void>
  /** Nothing more is sent; what is held is still read. */
  close(): void
  /** Undefined: nothing is held at the moment. */
  take(): Uint8Array | undefined
  readonly closed: boolean
  /** Resolves when there is something to take, or nothing to come. */
  news(): Promise<void>
  /** The reader is gone. */
  abandon(): void
}

/** Bytes that are written ahead of the reader. */
const maxHeldBytes = 1_000_000

export function createByteChannel(): ByteChannel {
  const held: Uint8Array[] = []
  let size = 0
  let closed = false
  let abandoned = false
  let room = Promise.withResolvers<void>()
  let wakeReader: () => void = () => {}

  const release = () => {
    room.resolve()
    room = Promise.withResolvers<void>()
  }

  return {
    get closed() {
      return closed
    },
    async send(bytes) {
      if (abandoned) throw new GatewayError('CANCELLED', 'The client closed the request.')
      held.push(bytes)
      size += bytes.length
      wakeReader()
      if (size > maxHeldBytes) await room.promise
    },
    close() {
      closed = true
      wakeReader()
    },
    take() {
      const bytes = held.shift()
      size -= bytes?.length ?? 0
      if (size <= maxHeldBytes) release()
      return bytes
    },
    news() {
      if (held.length > 0 || closed || abandoned) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      wakeReader = resolve
      return promise
    },
    abandon() {
      abandoned = true
      held.length = 0
      release()
      wakeReader()
    },
  }
}
