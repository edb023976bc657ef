import { toFunctionNames } from '../tool-mapping.ts'

/** Tool names of some clients are longer or freer than other providers take them. */
export interface CrossedNames {
  toFunction(name: string): string
  toTool(functionName: string): string
}

export function nameCrossing(toolNames: readonly string[]): CrossedNames {
  const names = toFunctionNames(toolNames)
  const back = new Map([...names].map(([name, functionName]) => [functionName, name]))
  return {
    toFunction: (name) => names.get(name) ?? name,
    toTool: (functionName) => back.get(functionName) ?? functionName,
  }
}
