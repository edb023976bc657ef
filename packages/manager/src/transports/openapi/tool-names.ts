import { createHash } from 'node:crypto'

/** Characters of a tool's name; the spec allows 128, and a prefix comes before it (spec 2025-11-25, Tools). */
const maxLength = 96

/** Hexadecimal digits that tell two operations of one name apart. */
const digestLength = 8

/** What names one operation of a document. */
export interface NamedOperation {
  readonly method: string
  readonly path: string
  readonly operationId: unknown
}

/**
 * LiteLLM's names: the `operationId` in lower case with `_` for spaces, else `{method}_{path}`. Of several operations that
 * would share a name the first has it, and the others theirs with a digest of method and path.
 */
export function createToolNames(): (operation: NamedOperation) => string {
  const taken = new Set<string>()
  return ({ method, path, operationId }) => {
    const id = typeof operationId === 'string' ? operationId.trim() : ''
    const said = id === '' ? `${method}_${path.replaceAll('/', '_')}` : id
    const plain = said.toLowerCase().replaceAll(/[^a-z0-9_.-]/g, '_')
    const digest = createHash('sha256').update(`${method} ${path}`).digest('hex').slice(0, digestLength)
    const distinct = `${plain.slice(0, maxLength - digestLength - 1)}_${digest}`
    const name = plain.length <= maxLength && !taken.has(plain) ? plain : distinct
    taken.add(name)
    return name
  }
}
