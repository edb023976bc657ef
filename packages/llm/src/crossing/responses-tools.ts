import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { NameCall } from '../dialects/response-events.ts'
import { listOf, textOf } from '../json-fields.ts'
import { toFunctionNames } from '../tool-mapping.ts'

/**
 * Tools of a Responses request as chat functions, and the way back. Namespaces are flattened and custom tools become
 * functions of one text; what only OpenAI can run (web search, a shell of its own) is left out, as no other model has it.
 */
export interface CrossedTools {
  readonly tools: readonly JsonObject[]
  readonly nameCall: NameCall
  /** The name over chat of what the client calls so. */
  flatName(name: string, namespace: JsonValue | undefined): string
}

interface Offered {
  readonly path: string
  readonly name: string
  readonly namespace: string | undefined
  readonly tool: JsonObject
}

export function crossTools(tools: JsonValue | undefined): CrossedTools {
  const offered = listOf(tools).filter(isJsonObject).flatMap(toOffered)
  const flatNames = toFunctionNames(offered.map(({ path }) => path))
  const flatOf = (path: string) => flatNames.get(path) ?? path
  const byFlatName = new Map(offered.map((one) => [flatOf(one.path), one]))
  return {
    tools: offered.map((one) => toChatTool(one, flatOf(one.path))),
    nameCall(name) {
      const one = byFlatName.get(name)
      return {
        name: one?.name ?? name,
        ...(one?.namespace !== undefined && { namespace: one.namespace }),
        ...(one?.tool['type'] === 'custom' && { custom: true as const }),
      }
    },
    flatName: (name, namespace) => flatOf(pathOf(name, typeof namespace === 'string' ? namespace : undefined)),
  }
}

function toOffered(tool: JsonObject): Offered[] {
  const { type, name, tools } = tool
  if (type === 'namespace') {
    return listOf(tools)
      .filter(isJsonObject)
      .flatMap((nested) => offer(nested, textOf(name)))
  }
  return offer(tool, undefined)
}

function offer(tool: JsonObject, namespace: string | undefined): Offered[] {
  const { type, name } = tool
  if ((type !== 'function' && type !== 'custom') || typeof name !== 'string') return []
  return [{ path: pathOf(name, namespace), name, namespace, tool }]
}

function pathOf(name: string, namespace: string | undefined): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}__${name}`
}

function toChatTool({ tool }: Offered, name: string): JsonObject {
  const { type, description, parameters, strict } = tool
  const free = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] }
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && { description }),
      parameters: type === 'custom' ? free : (parameters ?? { type: 'object', properties: {} }),
      ...(type === 'function' && typeof strict === 'boolean' && { strict }),
    },
  }
}
