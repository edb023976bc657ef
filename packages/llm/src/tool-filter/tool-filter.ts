import { type Caller, isJsonObject, type JsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { AttachedTool } from '../tool-attachment.ts'
import { type ChoiceOptions, type ChoosableTool, createChoice, type FilterSettings } from './choice.ts'

/**
 * LiteLLM's semantic filter: of the tools attached to a request, the model gets those nearest in meaning to what the user
 * said last. A request never fails because of it: where no vector can be had, words decide, and where they say nothing either,
 * nothing is taken away.
 */
export interface ToolFilter {
  /** What the model is offered, in the order of `tools`. Rejects only when the caller's signal aborts. */
  narrow(request: FilterRequest): Promise<Narrowed>
  close(): void
}

export interface FilterRequest {
  readonly caller: Caller
  readonly body: JsonObject
  readonly tools: readonly AttachedTool[]
}

export interface Narrowed {
  readonly tools: readonly AttachedTool[]
  /** Absent where there was nothing to decide. */
  readonly decision?: { readonly from: number; readonly kept: readonly string[]; readonly by: 'meaning' | 'words' }
}

export interface ToolFilterOptions extends ChoiceOptions {
  /** Asked anew for each request; undefined: every tool is offered. */
  readonly settings: () => FilterSettings | undefined
}

/** Characters of what was said that count; models read some 8,000 tokens. */
const maxQueryLength = 8_000

export function createToolFilter({ settings, ...options }: ToolFilterOptions): ToolFilter {
  const { choose, close } = createChoice(options)
  return {
    async narrow({ tools, ...request }) {
      const current = settings()
      const query = lastSaid(request.body)
      const open = tools.filter((tool) => isFilterable(tool, request.body))
      if (current === undefined || query === '' || open.length === 0) return { tools }
      const { by, places } =
        open.length <= current.topK
          ? ({ by: 'meaning', places: [...open.keys()] } as const)
          : await choose({ query, tools: open.map(toChoosable), caller: request.caller }, current)
      const least = request.body['tool_choice'] === 'required' && places.length === 0 ? [0] : places
      const kept = least.flatMap((place) => open[place] ?? [])
      const [chosen, candidates] = [new Set(kept), new Set(open)]
      const names = kept.map(({ publicName }) => publicName)
      return {
        tools: tools.filter((tool) => chosen.has(tool) || !candidates.has(tool)),
        decision: { from: open.length, kept: names, by },
      }
    },
    close,
  }
}

/** What a request names itself is not the filter's to take away, nor what finds tools on its own. */
function isFilterable(
  { selection, runsOthers, functionName }: AttachedTool,
  { tool_choice: choice }: JsonObject,
): boolean {
  if (selection.allowedTools !== undefined || selection.semanticFilter === false || runsOthers === true) return false
  const forced = isJsonObject(choice) ? (choice['function'] ?? choice) : undefined
  return !isJsonObject(forced) || forced['name'] !== functionName
}

/** In chat completions and in Responses, where `input` may be the text itself. */
function lastSaid({ messages, input }: JsonObject): string {
  if (typeof input === 'string') return input.trim().slice(0, maxQueryLength)
  const turns = listOf(messages ?? input).filter(isJsonObject)
  const content = turns.findLast(({ role }) => role === 'user')?.['content']
  const parts =
    typeof content === 'string'
      ? [content]
      : listOf(content).map((part) => (isJsonObject(part) ? textOf(part['text']) : ''))
  return parts.join(' ').trim().slice(0, maxQueryLength)
}

function toChoosable({ publicName, definition: { description, inputSchema } }: AttachedTool): ChoosableTool {
  return { publicName, definition: { inputSchema, ...(description !== undefined && { description }) } }
}
