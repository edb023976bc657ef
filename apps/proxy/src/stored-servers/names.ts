/**
 * What a stored server may be called. Names become prefixes of tools, so they keep to what tool names may hold (SEP-986);
 * ids stand in paths. Words that mean something else are nobody's.
 */
import { Unusable } from '../config/server-auth.ts'

/** LiteLLM's sentinels in grants, and the paths beside `/v1/mcp/server/{server_id}`. */
const reserved = new Set([
  'no-mcp-servers',
  'all-team-mcpservers',
  'all-proxy-mcpservers',
  'health',
  'import',
  'register',
  'submissions',
  'oauth',
])

/** Not of dots alone: in a path those mean another place. */
const idPattern = /^(?!\.+$)[A-Za-z0-9_.:-]{1,128}$/
const namePattern = /^[A-Za-z0-9_.-]{1,64}$/

export interface ServerNames {
  readonly id: string
  readonly name: string
  readonly alias: string | null
}

/** Whether a server could have this id at all. */
export function isServerId(text: string): boolean {
  return idPattern.test(text)
}

/** Throws {@link Unusable} naming the field. */
export function checkNames({ id, name, alias }: ServerNames): void {
  if (!isServerId(id))
    throw new Unusable(['server_id'], 'must be 1 to 128 letters, digits, and _ . : -, and not dots alone')
  // Without a name of its own a server has its id, which may be longer.
  if (name !== id) check('server_name', name)
  if (alias !== null) check('alias', alias)
  for (const [field, word] of Object.entries({ server_id: id, server_name: name, alias: alias ?? '' })) {
    if (reserved.has(word)) throw new Unusable([field], `must not be ${word}: that word has a meaning of its own`)
  }
}

function check(field: string, word: string): void {
  if (!namePattern.test(word)) {
    throw new Unusable(
      [field],
      'must be 1 to 64 letters, digits, and _ . - (SEP-986): it becomes a prefix of tool names',
    )
  }
}
