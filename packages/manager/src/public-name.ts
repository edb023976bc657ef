import type { ServerDefinition } from '@toolgate/core'

/**
 * How an upstream's own name becomes a public one and back: `{prefix}{separator}{name}`. Pure text; which reading of a
 * name is meant is for the name map to decide, because a separator may stand inside prefixes and names alike.
 */

/**
 * When names carry their server's prefix. `when_ambiguous`: only where another server offers the same name. `never`: not
 * even then, so names that two servers share are withheld. URIs are never prefixed, whatever the mode: results link to
 * them, and results are relayed untouched.
 */
export type PrefixMode = 'always' | 'when_ambiguous' | 'never'

export interface NamingRules {
  /** `MCP_TOOL_PREFIX_SEPARATOR`. */
  readonly separator: string
  readonly mode: PrefixMode
}

export const defaultNaming: NamingRules = { separator: '-', mode: 'always' }

type Named = Pick<ServerDefinition, 'id' | 'name' | 'alias' | 'prefix'>

/** Every prefix under which a server is known, the one we print first. Spaces become `_`, as in LiteLLM. */
export function prefixesOf({ id, name, alias, prefix }: Named): readonly string[] {
  const handles = [prefix, alias ?? '', name, id].filter((handle) => handle !== '')
  return [...new Set(handles.map(asPrefix))]
}

export function asPrefix(handle: string): string {
  return handle.replaceAll(' ', '_')
}

/** The names of a tool that its server and its operator know: bare, and behind every prefix. */
export function ownSpellings(server: Named, name: string, separator: string): readonly string[] {
  return [name, ...prefixesOf(server).map((prefix) => joinName(prefix, separator, name))]
}

export function joinName(prefix: string, separator: string, name: string): string {
  return `${prefix}${separator}${name}`
}

/** Longest prefix of a public name, in characters; bounds what one name costs to read. */
export const maxPrefixLength = 256

/** Every way to read a public name as prefix and name, the longest prefix first. Neither part is ever empty. */
export function splitName(publicName: string, separator: string): readonly { prefix: string; name: string }[] {
  const splits: { prefix: string; name: string }[] = []
  const lastAt = Math.min(maxPrefixLength, publicName.length - separator.length - 1)
  for (
    let at = publicName.indexOf(separator, 1);
    at !== -1 && at <= lastAt;
    at = publicName.indexOf(separator, at + 1)
  ) {
    splits.push({ prefix: publicName.slice(0, at), name: publicName.slice(at + separator.length) })
  }
  return splits.toReversed()
}
