import { isDeepStrictEqual } from 'node:util'
import { isJsonObject } from '@toolgate/core'

/** One field that is not what it was; a side that has no such field is absent. */
export interface DefinitionDifference {
  /** JSON pointer (RFC 6901). */
  readonly path: string
  readonly old?: unknown
  readonly new?: unknown
}

/** Levels that are gone into; what is deeper is shown as a whole. */
const maxDepth = 32

/** Field by field, in the order of their names, which is all that a store keeps of it. Lists are compared as a whole. Pure. */
export function diffDefinitions(
  old: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): readonly DefinitionDifference[] {
  return differences({ path: '', depth: 0 }, old, now)
}

interface Place {
  readonly path: string
  readonly depth: number
}

function differences(
  { path, depth }: Place,
  old: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): readonly DefinitionDifference[] {
  const fields = [...new Set([...Object.keys(now), ...Object.keys(old)])].toSorted()
  return fields.flatMap((field) => {
    const place = { path: `${path}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth: depth + 1 }
    const before = Object.hasOwn(old, field) ? old[field] : undefined
    const after = Object.hasOwn(now, field) ? now[field] : undefined
    if (isDeepStrictEqual(before, after)) return []
    if (isJsonObject(before) && isJsonObject(after) && place.depth < maxDepth) return differences(place, before, after)
    return [
      {
        path: place.path,
        ...(before !== undefined && { old: before }),
        ...(after !== undefined && { new: after }),
      },
    ]
  })
}
