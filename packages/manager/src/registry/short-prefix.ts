import { createHash } from 'node:crypto'
import { type DeclaredServer, isLeftOut, wordsOf } from './managed-server.ts'

/**
 * LiteLLM's `LITELLM_USE_SHORT_MCP_TOOL_PREFIX`: three characters made of a server's id, so that tool names stay below what
 * model providers accept. The same id gives the same prefix; where another server has it already, an attempt further on.
 */

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const alphanumerics = `0123456789${letters}`

/** There are 199,888 prefixes: with as many attempts no gateway runs out of them. */
const maxAttempts = 1_000

/** Servers with short prefixes; the longer ones go on being understood. Earlier servers choose first. */
export function withShortPrefixes<Server extends DeclaredServer>(servers: readonly Server[]): readonly Server[] {
  const taken = new Set(servers.flatMap(wordsOf))
  return servers.map((server) => {
    if (isLeftOut(server)) return server
    const prefix = freePrefix(server.id, taken)
    if (prefix === undefined) return server
    taken.add(prefix)
    return { ...server, prefix }
  })
}

function freePrefix(id: string, taken: ReadonlySet<string>): string | undefined {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const prefix = shortPrefix(attempt === 0 ? id : `${id}#${attempt}`)
    if (!taken.has(prefix)) return prefix
  }
  return undefined
}

/** The first is a letter: some providers want that of a name. */
export function shortPrefix(seed: string): string {
  let value = createHash('sha256').update(seed).digest().readBigUInt64BE()
  return [letters, alphanumerics, alphanumerics]
    .map((alphabet) => {
      const character = alphabet.charAt(Number(value % BigInt(alphabet.length)))
      value /= BigInt(alphabet.length)
      return character
    })
    .join('')
}
