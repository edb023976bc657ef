import type { McpServer, ServerNotifier } from '@modelcontextprotocol/server'

/**
 * What the server offers beyond its constant tools and prompts, across all sessions and requests: one tool and one
 * prompt that come and go. The lists really change, so that nobody who compares them takes the news for noise.
 */
export interface ChangingOffer {
  readonly extraTool: boolean
  readonly extraPrompt: boolean
  toggleTool(): void
  togglePrompt(): void
  /** Tells everybody who watches this resource. */
  touch(uri: string): Promise<void>
}

export interface Audience {
  /** Listeners of 2026-07-28. */
  readonly notify: ServerNotifier
  /** Sessions of earlier revisions. */
  readonly sessions: Iterable<{ readonly server: McpServer; readonly watched: ReadonlySet<string> }>
}

export function createChangingOffer(audience: () => Audience): ChangingOffer {
  let extraTool = false
  let extraPrompt = false
  return {
    get extraTool() {
      return extraTool
    },
    get extraPrompt() {
      return extraPrompt
    },
    toggleTool() {
      extraTool = !extraTool
      audience().notify.toolsChanged()
      for (const { server } of audience().sessions) server.sendToolListChanged()
    },
    togglePrompt() {
      extraPrompt = !extraPrompt
      audience().notify.promptsChanged()
      for (const { server } of audience().sessions) server.sendPromptListChanged()
    },
    async touch(uri) {
      audience().notify.resourceUpdated(uri)
      for (const { server, watched } of audience().sessions) {
        if (watched.has(uri)) await server.server.sendResourceUpdated({ uri })
      }
    },
  }
}
