import type { JsonObject } from '@toolgate/core'
import type { ArgumentNames } from './schemas/argument-names.ts'

/** A gateway tool attached to one request, as the loop and the dialects see it. */
export interface LoopTool {
  /** What the gateway calls it. */
  readonly publicName: string
  /** What the model calls it: the public name where providers accept it (see `toFunctionNames`). */
  readonly functionName: string
  readonly definition: {
    readonly description?: string | undefined
    readonly inputSchema: JsonObject
  }
  /** Arguments that the model knows by another name than the tool does. */
  readonly argumentNames?: ArgumentNames | undefined
  /** `always`: the model's call is handed to the client instead of being executed. */
  readonly approval: Approval
  /** Where it comes from, for whoever is told of its calls. */
  readonly server?: { readonly name: string } | undefined
}

export type Approval = 'never' | 'always'
