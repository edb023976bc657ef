import {
  type Clock,
  type GatewayError,
  isJsonObject,
  type JsonObject,
  type NewId,
  randomId,
  systemClock,
  toGatewayError,
} from '@toolgate/core'
import { listOf, textOf } from './json-fields.ts'
import {
  type ChunkHead,
  doneEvent,
  keepAliveEvent,
  toChunk,
  toEvent,
  toUsageChunk,
  wantsUsage,
} from './providers/chat-events.ts'
import type { LoopAnswer, LoopRound } from './tool-loop.ts'

/**
 * A tool loop as one chat completion stream: one id, one role chunk, the text of every round as soon as it is there, one
 * finish, and nothing of the gateway's own calls. What it streams is, joined, what the loop answers without streaming.
 */
export interface ChatStreamLoopOptions {
  /** The client's request: its `model` and `stream_options` are answered. */
  readonly body: JsonObject
  /** Runs the loop with these in its options. */
  readonly run: (hooks: LoopHooks) => Promise<LoopAnswer>
  /** The client's. */
  readonly signal: AbortSignal
  /** How this door writes an error into a stream that has begun. */
  readonly renderError: RenderError
  readonly clock?: Clock
  readonly newId?: NewId
  /** Milliseconds of silence after which a comment is sent. */
  readonly keepAliveMs?: number
}

export interface LoopHooks {
  /** Also aborted when the reader leaves the stream. */
  readonly signal: AbortSignal
  readonly onRound: (round: LoopRound) => void
}

export type RenderError = (error: GatewayError) => JsonObject

/**
 * Resolves when the model has answered for the first time, so that a model that cannot be asked is still an error of the
 * request; rejects with what the loop rejects with until then. Later failures are the last event of the stream.
 */
export async function streamToolLoop({
  body,
  run,
  signal,
  renderError,
  clock = systemClock,
  newId = randomId,
  keepAliveMs = 15_000,
}: ChatStreamLoopOptions): Promise<AsyncIterable<Uint8Array>> {
  const reader = new AbortController()
  const inbox = createInbox()
  const begun = Promise.withResolvers<void>()
  const onRound = ({ text }: LoopRound) => {
    inbox.texts.push(text)
    inbox.wake()
    begun.resolve()
  }
  const finished = run({ signal: AbortSignal.any([signal, reader.signal]), onRound })
  finished.then(() => begun.resolve(), begun.reject)
  await begun.promise
  finished.then(inbox.finish, inbox.fail)

  const head = { id: newId('chatcmpl'), created: Math.floor(clock.now() / 1_000), model: textOf(body['model']) }
  const leave = () => reader.abort()
  return writeStream({ head, inbox, renderError, clock, keepAliveMs, includeUsage: wantsUsage(body), leave })
}

/** Relays a provider's stream as it is; a failure on the way becomes its last event. */
export async function* relayChatStream(
  bytes: AsyncIterable<Uint8Array>,
  renderError: RenderError,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } catch (error) {
    // The answer has begun: an event is all that can still tell the client.
    yield toEvent(renderError(toGatewayError(error)))
  }
}

interface Inbox {
  /** Bounded by the rounds of the loop. */
  readonly texts: string[]
  outcome: { readonly answer: LoopAnswer } | { readonly error: unknown } | undefined
  wake: () => void
  readonly finish: (answer: LoopAnswer) => void
  readonly fail: (error: unknown) => void
}

function createInbox(): Inbox {
  const inbox: Inbox = {
    texts: [],
    outcome: undefined,
    wake() {},
    finish(answer) {
      inbox.outcome = { answer }
      inbox.wake()
    },
    fail(error) {
      inbox.outcome = { error }
      inbox.wake()
    },
  }
  return inbox
}

interface Writing {
  readonly head: ChunkHead
  readonly inbox: Inbox
  readonly renderError: RenderError
  readonly clock: Clock
  readonly keepAliveMs: number
  readonly includeUsage: boolean
  readonly leave: () => void
}

async function* writeStream({ head, inbox, renderError, leave, includeUsage, ...pace }: Writing) {
  let sent = ''
  try {
    yield toEvent(toChunk(head, { role: 'assistant', content: '' }))
    for (;;) {
      const text = inbox.texts.shift()
      if (text !== undefined) {
        sent += text
        if (text !== '') yield toEvent(toChunk(head, { content: text }))
        continue
      }
      if (inbox.outcome !== undefined) break
      if (!(await nextNews(inbox, pace))) yield keepAliveEvent()
    }
    if ('error' in inbox.outcome) {
      yield toEvent(renderError(toGatewayError(inbox.outcome.error)))
      return
    }
    yield* writeEnd({ head, response: inbox.outcome.answer.response, sent, includeUsage })
  } finally {
    leave()
  }
}

/** False where nothing came within the time after which a connection should see a sign of life. */
function nextNews(inbox: Inbox, { clock, keepAliveMs }: Pick<Writing, 'clock' | 'keepAliveMs'>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const cancel = clock.after(keepAliveMs, () => resolve(false))
  inbox.wake = () => {
    cancel()
    resolve(true)
  }
  return promise
}

interface Ending {
  readonly head: ChunkHead
  readonly response: JsonObject
  readonly sent: string
  readonly includeUsage: boolean
}

function* writeEnd({ head, response, sent, includeUsage }: Ending): Generator<Uint8Array> {
  const choice = listOf(response['choices']).find(isJsonObject) ?? {}
  const { role: _role, content, tool_calls: calls, ...rest } = isJsonObject(choice['message']) ? choice['message'] : {}
  const unsent = typeof content === 'string' ? content.slice(sent.length) : ''
  if (unsent !== '') yield toEvent(toChunk(head, { content: unsent }))
  const returned = listOf(calls).filter(isJsonObject)
  const delta = {
    ...rest,
    ...(returned.length > 0 && { tool_calls: returned.map((call, index) => ({ index, ...call })) }),
  }
  if (Object.keys(delta).length > 0) yield toEvent(toChunk(head, delta))
  const { finish_reason: reason } = choice
  yield toEvent(toChunk(head, {}, typeof reason === 'string' ? reason : 'stop'))
  const { usage } = response
  if (includeUsage && isJsonObject(usage)) yield toEvent(toUsageChunk(head, usage))
  yield doneEvent()
}
