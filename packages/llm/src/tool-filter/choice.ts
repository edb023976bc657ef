import {
  type Caller,
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Logger,
  startDeadline,
  toGatewayError,
} from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import type { Models } from '../models.ts'
import { verdictOn } from '../router/provider-verdict.ts'
import { readVectors } from './embedding-answer.ts'
import { nearest } from './nearest-tools.ts'
import { createToolVectors, type ToolVectors, type VectorRequest } from './tool-vectors.ts'

export interface FilterSettings {
  /** A name of `model_list`. */
  readonly model: string
  readonly topK: number
  /** Of cosines. */
  readonly threshold: number
}

export interface ChoosableTool {
  readonly publicName: string
  readonly definition: JsonObject
}

export interface ChoiceRequest {
  readonly caller: Caller
  readonly query: string
  readonly tools: readonly ChoosableTool[]
}

export interface Choice {
  /** Places of the tools that were chosen, the best first. */
  readonly places: readonly number[]
  readonly by: 'meaning' | 'words'
}

export interface ChoiceOptions {
  readonly models: Pick<Models, 'embed'>
  /** On whose account embeddings are made: of what a caller says on the caller's, of definitions on the gateway's own. */
  readonly account: (caller?: Caller) => Caller
  /** Places of the tools that share words with the query, the best first. */
  readonly rankByWords: (query: string, tools: readonly ChoosableTool[]) => readonly number[]
  readonly clock: Clock
  readonly log: Logger
}

/** Milliseconds that a request waits for embeddings; those of tools are made all the same, for the next one. */
const patienceMs = 5_000
/** Milliseconds after a failure of the model for which it is not asked again: its requests would all wait for it. */
const pauseMs = 30_000
/** Characters of a definition that are embedded. */
const maxTextLength = 8_000

/** Chooses by meaning, else by words. Rejects only when the caller's signal aborts. */
export function createChoice(options: ChoiceOptions) {
  const { models, account, clock, log } = options
  let pausedUntil = 0
  const embed = async (texts: readonly string[], { model, signal }: VectorRequest, caller?: Caller) => {
    const body = { model, input: [...texts], encoding_format: 'float' }
    return readVectors(await models.embed({ ...account(caller), signal }, { body, signal }), texts.length)
  }
  const vectors = createToolVectors(embed)
  const pause = ({ code, message: reason }: GatewayError, { model }: FilterSettings) => {
    // Those that were under way fail together.
    if (clock.monotonic() < pausedUntil) return
    pausedUntil = clock.monotonic() + pauseMs
    log.warn({ code, reason, model }, 'tools are filtered by words: no embeddings')
  }

  return {
    async choose(request: ChoiceRequest, settings: FilterSettings): Promise<Choice> {
      if (clock.monotonic() < pausedUntil) return { by: 'words', places: byWords(request, settings, options) }
      using deadline = startDeadline(clock, patienceMs, request.caller.signal)
      try {
        const places = await byMeaning(request, settings, { embed, vectors, signal: deadline.signal })
        return { by: 'meaning', places }
      } catch (thrown) {
        request.caller.signal.throwIfAborted()
        const error = toGatewayError(thrown)
        if (deadline.signal.aborted || isOfEverybody(error)) pause(error, settings)
        else log.info({ code: error.code, model: settings.model }, 'tools of one request are filtered by words')
        return { by: 'words', places: byWords(request, settings, options) }
      }
    },
    close: vectors.close,
  }
}

/** What a caller may not say or has no budget for, or a provider refuses of what was said, is that caller's alone. */
function isOfEverybody(error: GatewayError): boolean {
  return verdictOn(error) !== 'never'
}

interface Means {
  embed(texts: readonly string[], request: VectorRequest, caller: Caller): Promise<readonly Float32Array[]>
  readonly vectors: Pick<ToolVectors, 'of'>
  readonly signal: AbortSignal
}

async function byMeaning(
  { query, tools, caller }: ChoiceRequest,
  { model, ...bounds }: FilterSettings,
  { embed, vectors, signal }: Means,
): Promise<readonly number[]> {
  const [ofTools, [asked]] = await Promise.all([
    vectors.of(tools.map(describe), { model, signal }),
    embed([query], { model, signal }, caller),
  ])
  const complete = ofTools.filter((vector) => vector !== undefined)
  if (asked !== undefined && complete.length === ofTools.length) return nearest(asked, complete, bounds)
  throw new GatewayError('OVERLOADED', 'There are more tools than vectors of them are kept.')
}

/** Open on failure, as far as words carry: where they say nothing either, no tool is taken away. */
function byWords(
  { query, tools }: ChoiceRequest,
  { topK }: FilterSettings,
  { rankByWords }: Pick<ChoiceOptions, 'rankByWords'>,
): readonly number[] {
  const found = rankByWords(query, tools).slice(0, topK)
  return found.length === 0 ? [...tools.keys()] : found
}

function describe({ publicName, definition: { description = '', inputSchema } }: ChoosableTool): string {
  const properties = isJsonObject(inputSchema) ? inputSchema['properties'] : undefined
  const parameters = isJsonObject(properties) ? Object.keys(properties).join(', ') : ''
  return `${publicName.replaceAll(/[-_.]+/g, ' ')}\n${textOf(description)}\n${parameters}`.slice(0, maxTextLength)
}
