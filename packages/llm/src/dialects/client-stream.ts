import type { GatewayError, JsonObject } from '@toolgate/core'
import type { LoopAnswer, LoopListener, RoundContext } from '../tool-loop.ts'

/**
 * A tool loop as its client sees it while it runs: one answer in the client's dialect, written as the model speaks. What
 * it writes is, put together, what the loop answers without streaming.
 */
export interface ClientStream extends LoopListener {
  /**
   * Reads one answer of the provider, in the same dialect, and passes on what the client may see of it at once. Resolves
   * with the whole answer, as the provider would have given it without streaming.
   */
  readRound(bytes: AsyncIterable<Uint8Array>, context: RoundContext): Promise<JsonObject>
  /** Writes what is left. */
  end(answer: LoopAnswer): Promise<void>
  /** Writes how it failed, as the last thing there is. */
  fail(error: GatewayError): Promise<void>
}

/** Writes bytes to the client; resolves when there is room for more. */
export type Send = (bytes: Uint8Array) => Promise<void>

export type RenderError = (error: GatewayError) => JsonObject
