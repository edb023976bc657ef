import { type GatewayError, toGatewayError } from '@toolgate/core'
import type { ClientStream, Send } from '../dialects/client-stream.ts'
import type { LoopAnswer } from '../tool-loop.ts'
import { type ByteChannel, createByteChannel } from './byte-channel.ts'

/** Runs a tool loop for a client that reads its answer as a stream, in whatever dialect. */
export interface StreamLoopOptions {
  /** Opens the client's stream, which writes with `send`. */
  readonly open: (send: Send) => ClientStream
  /** Runs the loop with these in its options. */
  readonly run: (hooks: StreamHooks) => Promise<LoopAnswer>
  /** The client's. */
  readonly signal: AbortSignal
}

export interface StreamHooks {
  /** Also aborted when the reader leaves the stream. */
  readonly signal: AbortSignal
  readonly client: ClientStream
}

/**
 * Resolves when there is something to read, so that a model that cannot be asked is still an error of the request; rejects
 * with what the loop rejects with until then. Later failures are the last event of the stream.
 */
export async function streamToolLoop({ open, run, signal }: StreamLoopOptions): Promise<AsyncIterable<Uint8Array>> {
  const reader = new AbortController()
  const channel = createByteChannel()
  const begun = Promise.withResolvers<void>()
  const client = open((bytes) => {
    begun.resolve()
    return channel.send(bytes)
  })
  const finished = run({ signal: AbortSignal.any([signal, reader.signal]), client })
  finished.then(() => begun.resolve(), begun.reject)
  await begun.promise
  finish(finished, client, channel)
  return readable(channel, () => reader.abort())
}

function finish(finished: Promise<LoopAnswer>, client: ClientStream, channel: ByteChannel): void {
  finished
    .then(
      (answer) => client.end(answer),
      (error: unknown) => client.fail(toGatewayError(error)),
    )
    // Nobody is left who could be told that the end could not be written.
    .catch(() => {})
    .finally(() => channel.close())
}

/** What the channel holds. A reader that leaves is heard at once. */
function readable(channel: ByteChannel, leave: () => void): AsyncIterable<Uint8Array> {
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    for (;;) {
      const bytes = channel.take()
      if (bytes !== undefined) return { done: false, value: bytes }
      if (channel.closed) return { done: true, value: undefined }
      await channel.news()
    }
  }
  const leaveNow = async (): Promise<IteratorResult<Uint8Array>> => {
    leave()
    channel.abandon()
    channel.close()
    return { done: true, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leaveNow }) }
}

/** Relays a provider's stream as it is; a failure on the way becomes its last event. */
export async function* relayStream(
  bytes: AsyncIterable<Uint8Array>,
  toErrorEvent: (error: GatewayError) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } catch (error) {
    // The answer has begun: an event is all that can still tell the client.
    yield toErrorEvent(toGatewayError(error))
  }
}
