import { isJsonObject, type JsonObject } from '@toolgate/core'
import { declaredHeaders, headersFor, type ParameterHeader } from '../../modern/parameter-headers.ts'

/** Tools of one server whose arguments travel in headers; a list has no more items. */
const maxTools = 10_000

/** Which arguments of which tool also travel as headers, learnt from every list of tools that passes. */
export interface ToolHeaders {
  /** From a result of `tools/list`. */
  learn(result: JsonObject): void
  /** For the `params` of a `tools/call`. */
  headersOf(params: JsonObject): Record<string, string>
}

export function createToolHeaders(): ToolHeaders {
  const byTool = new Map<string, readonly ParameterHeader[]>()

  const learnOne = (tool: unknown) => {
    if (!isJsonObject(tool) || typeof tool['name'] !== 'string') return
    const declared = declaredHeaders(tool['inputSchema'])
    if ('fault' in declared || declared.headers.length === 0) byTool.delete(tool['name'])
    else if (byTool.size < maxTools) byTool.set(tool['name'], declared.headers)
  }

  return {
    learn({ tools }) {
      if (Array.isArray(tools)) for (const tool of tools) learnOne(tool)
    },
    headersOf({ name, arguments: args }) {
      const declared = typeof name === 'string' ? byTool.get(name) : undefined
      return declared === undefined ? {} : headersFor(declared, args)
    },
  }
}
