import type { Result, Router } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'

/**
 * Hono's trie, searched once for each method and path of a route without parameters: the search, with every middleware in
 * it, is dear, and comes to the same each time. What is remembered is bounded by the routes and the methods HTTP has.
 */
export function rememberingRouter<Handler>(): Router<Handler> {
  const trie = new TrieRouter<Handler>()
  const known = new Map<string, Map<string, Result<Handler>>>()
  return {
    name: 'RememberingRouter',
    add(method, path, handler) {
      trie.add(method, path, handler)
      if (!/[:*]/.test(path)) known.set(path, new Map())
      for (const byMethod of known.values()) byMethod.clear()
    },
    match(method, path) {
      const byMethod = known.get(path)
      const before = byMethod?.get(method)
      if (before !== undefined) return before
      const result = trie.match(method, path)
      byMethod?.set(method, result)
      return result
    },
  }
}
