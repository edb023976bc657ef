/**
 * Tries a server out before it is stored: a temporary one, on the same way as calls go, of which nothing stays. Bounded in
 * time and in number, because each may start a command.
 */
import { type Clock, GatewayError, startDeadline, toGatewayError } from '@toolgate/core'
import type { Preview } from '@toolgate/manager'
import type { ServerAdmin } from './admin.ts'

export interface ServerPreview {
  /**
   * Takes a `NewMCPServerRequest`. A server that cannot be reached is an answer; what is wrong with the request rejects, as it
   * does for a server that is to be stored.
   */
  try(body: object, signal: AbortSignal): Promise<PreviewResult>
}

export interface PreviewResult {
  readonly tools: readonly object[]
  /** Why there are none. */
  readonly failure: GatewayError | undefined
  readonly warnings: readonly string[]
}

export interface ServerPreviewOptions {
  readonly draft: ServerAdmin['draft']
  readonly preview: Preview
  readonly clock: Clock
}

/** As long as a first start may take, `npx` and `uvx` download what they run. */
const previewDeadlineMs = 90_000
const mostPreviews = 4

export function createServerPreview({ draft, preview, clock }: ServerPreviewOptions): ServerPreview {
  let running = 0
  return {
    async try(body, signal) {
      const { server, warnings } = draft(body)
      if (running >= mostPreviews) {
        throw new GatewayError('OVERLOADED', `${mostPreviews} servers are being tried out. Try again shortly.`)
      }
      running += 1
      try {
        using deadline = startDeadline(clock, previewDeadlineMs, signal)
        const { items } = await preview.tools(server, deadline.signal)
        return { tools: items, failure: undefined, warnings }
      } catch (error) {
        signal.throwIfAborted()
        return { tools: [], failure: toGatewayError(error), warnings }
      } finally {
        running -= 1
      }
    },
  }
}
