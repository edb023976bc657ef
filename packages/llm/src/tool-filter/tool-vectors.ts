import { createHash } from 'node:crypto'
import { untilAborted } from '@toolgate/core'
import { LRUCache } from 'lru-cache'

/**
 * Vectors of tool definitions, made once per definition and model: a definition that changed is another text. Shared by all
 * callers, since each only ever asks for the tools that it was offered.
 */
export interface ToolVectors {
  /**
   * In the order of the texts; absent where it was evicted meanwhile. Whoever wants the same ones at the same time waits for
   * the same requests, and these go on when `signal`, the caller's, aborts.
   */
  of(texts: readonly string[], request: VectorRequest): Promise<readonly (Float32Array | undefined)[]>
  /** Ends what is under way. */
  close(): void
}

export interface VectorRequest {
  readonly model: string
  readonly signal: AbortSignal
}

/** Rejects with a `GatewayError`. */
export type EmbedTexts = (texts: readonly string[], request: VectorRequest) => Promise<readonly Float32Array[]>

/** Bytes of all vectors, the least recently used going first: ten thousand of 1,536 numbers. */
const maxBytes = 64 * 1024 * 1024

/** Texts of one request to the model; OpenAI takes at most 2,048, and 300,000 tokens in all. */
const textsPerRequest = 128

export function createToolVectors(embed: EmbedTexts): ToolVectors {
  const lifetime = new AbortController()
  const known = new LRUCache<string, Float32Array>({
    maxSize: maxBytes,
    sizeCalculation: ({ byteLength }) => byteLength,
  })
  const pending = new Map<string, Promise<void>>()

  const make = async (model: string, batch: readonly Keyed[], after: Promise<void>): Promise<void> => {
    try {
      await after
      const vectors = await embed(
        batch.map(({ text }) => text),
        { model, signal: lifetime.signal },
      )
      for (const [index, { key }] of batch.entries()) known.set(key, vectors[index] ?? nothing)
    } finally {
      for (const { key } of batch) pending.delete(key)
    }
  }

  return {
    async of(texts, { model, signal }) {
      const keyed = texts.map((text) => ({ key: keyOf(model, text), text }))
      const missing = keyed.filter(({ key }) => !known.has(key) && !pending.has(key))
      // One after the other: a catalog of thousands must not be dozens of requests at once.
      let last = Promise.resolve()
      for (let start = 0; start < missing.length; start += textsPerRequest) {
        const batch = missing.slice(start, start + textsPerRequest)
        last = make(model, batch, last)
        // Whoever waits hears of a failure; there may be nobody left who does.
        last.catch(() => undefined)
        for (const { key } of batch) pending.set(key, last)
      }
      await untilAborted(signal, () => Promise.all(keyed.flatMap(({ key }) => pending.get(key) ?? [])))
      return keyed.map(({ key }) => known.get(key))
    },
    close: () => lifetime.abort(),
  }
}

interface Keyed {
  readonly key: string
  readonly text: string
}

/** Near nothing. */
const nothing = new Float32Array(1)

function keyOf(model: string, text: string): string {
  return createHash('sha256')
    .update(JSON.stringify([model, text]))
    .digest('base64')
}
