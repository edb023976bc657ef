import { GatewayError, isJsonObject, type JsonObject, type JsonValue, spend } from '@toolgate/core'
import { type CrossingSeams, speaks, wireOf } from './crossing/wire-of.ts'
import type { ModelPrices } from './deployment-routing.ts'
import type { Generation, ModelCall } from './model-call.ts'
import { wantsUsage } from './providers/chat-events.ts'
import type { LlmProvider } from './providers/provider.ts'
import type { AttemptControl, Served } from './router/router.ts'
import { withBlamedTool } from './schemas/blamed-tool.ts'
import { projectTools } from './schemas/project-tools.ts'
import { costOf } from './spend.ts'
import { usageIn, watchUsage } from './stream-usage.ts'
import { wordsIn } from './stream-words.ts'
import { withFirstBytes } from './streaming/first-bytes.ts'
import { withoutUsageChunk } from './streaming/without-usage-chunk.ts'
import { estimateTokens, tokensOf } from './token-estimate.ts'
import { completionTokens, promptTokens } from './usage.ts'
import { nothingPasses, type Passing, type Wire } from './wire.ts'

/**
 * The centre of the second spine: one request to one deployment. The stream goes out once its first bytes are there, so that
 * what fails before them may still be asked of another.
 */
export async function sendToModel(
  call: ModelCall,
  served: Served,
  { signal, begun, ...seams }: AttemptControl & CrossingSeams,
): Promise<Generation> {
  const { trace } = call
  const { model, deployment } = served
  const { provider } = deployment
  trace.model = model
  trace.provider = provider.type
  trace.deploymentId = deployment.id
  trace.attempts = served.retries + served.fallbacks + 1
  if (call.operation === 'embed') return embed(call, served, signal)
  const body = projected(call, provider)
  const wire = call.operation === 'complete' ? completionsOf(call, provider) : wireOf(provider, call.dialect, seams)
  try {
    const asked = { ...call, body: { ...body, model } }
    return await (call.deliver === undefined
      ? whole(asked, served, { wire, signal })
      : streamed(asked, served, { wire, signal, begun }))
  } catch (error) {
    throw withBlamedTool(error, body)
  }
}

/** Tools of the gateway in the words of the provider; a client's own too where its dialect is not the provider's. */
function projected({ body, dialect, ownTools = new Set() }: ModelCall, provider: LlmProvider): JsonObject {
  if (provider.schemas === undefined) return body
  const only = speaks(provider, dialect) ? ownTools : undefined
  return projectTools(body, { dialect, profile: provider.schemas, strict: provider.strictSchemas, only })
}

interface Asking {
  readonly wire: Wire
  readonly signal: AbortSignal
}

export function passingOf({ passing = nothingPasses, model }: ModelCall): Passing {
  return { ...passing, model }
}

async function whole(call: ModelCall, served: Served, { wire, signal }: Asking): Promise<Generation> {
  const { stream: _stream, stream_options: _options, ...body } = call.body
  const answer = await wire.generate(body, signal, passingOf(call))
  const usage = usageIn(answer)
  const { prices } = served.deployment
  if (usage === undefined) estimate(call, { usage, characters: wordsIn(JSON.stringify(answer)), prices })
  else countTokens(call, usage, prices)
  call.onServed?.({ ...served, spend: call.trace.spend })
  return { body: answer, usage }
}

async function streamed(
  call: ModelCall,
  served: Served,
  { wire, signal, begun }: Asking & Pick<AttemptControl, 'begun'>,
): Promise<Generation> {
  const { body, deliver, onServed, signal: hungUp } = call
  let usage: JsonObject | undefined
  let complete = false
  let characters = 0
  const counts = countsWhenAsked(call)
  const wanted = counts ? { stream_options: withUsage(body['stream_options']) } : {}
  const bytes = await withFirstBytes(await wire.stream({ ...body, ...wanted, stream: true }, signal, passingOf(call)))
  const onUsage = (seen: JsonObject) => {
    usage = { ...usage, ...seen }
    countTokens(call, usage, served.deployment.prices)
  }
  begun()
  onServed?.(served)
  try {
    const watched = watchUsage(bytes, {
      onUsage,
      onEnd: () => void (complete = true),
      onWords: (said) => void (characters += said),
    })
    await deliver?.(counts && !wantsUsage(body) ? withoutUsageChunk(watched) : watched)
  } catch (error) {
    // A client that hangs up with the whole answer in its hands has been answered.
    if (!complete || !hungUp.aborted) throw error
  } finally {
    // Some servers never count.
    if (!complete || usage === undefined) estimate(call, { usage, characters, prices: served.deployment.prices })
  }
  return { usage }
}

interface HalfCounted {
  /** What was counted until it was over. */
  readonly usage: JsonObject | undefined
  readonly characters: number
  readonly prices: ModelPrices | undefined
}

/**
 * A stream that was over before its end, left by its client or broken off, was paid for, and so was an answer whose provider
 * counted nothing: by what was asked and what was said.
 */
function estimate(call: ModelCall, { usage = {}, characters, prices }: HalfCounted): void {
  const field = 'input_tokens' in usage ? 'output_tokens' : 'completion_tokens'
  call.trace.estimated = true
  const counted = {
    ...usage,
    ...(promptTokens(usage) === undefined && { prompt_tokens: estimateTokens(call.body) }),
    [field]: Math.max(completionTokens(usage) ?? 0, tokensOf(characters)),
  }
  countTokens(call, counted, prices)
}

/** OpenAI's streams of both kinds say what they cost where they are asked to; limits and budgets go by it, whoever asks. */
function countsWhenAsked({ operation, dialect }: ModelCall): boolean {
  return operation === 'complete' || dialect === 'chat'
}

function withUsage(options: JsonValue | undefined): JsonObject {
  return { ...(isJsonObject(options) && options), include_usage: true }
}

function completionsOf({ model }: ModelCall, { completions }: LlmProvider): Wire {
  if (completions !== undefined) return completions
  throw new GatewayError('INVALID_REQUEST', `The model "${model}" has no completions: ask it for chat completions.`, {
    details: { field: 'model', model },
  })
}

async function embed(call: ModelCall, served: Served, signal: AbortSignal): Promise<Generation> {
  const { model } = served
  const { provider } = served.deployment
  if (provider.embed === undefined) {
    throw new GatewayError('INVALID_REQUEST', `The model "${call.model}" makes no embeddings: its provider has none.`, {
      details: { field: 'model', model: call.model },
    })
  }
  const answer = await provider.embed({ ...call.body, model }, signal, passingOf(call))
  const usage = isJsonObject(answer['usage']) ? answer['usage'] : undefined
  const { prices } = served.deployment
  if (usage === undefined) estimate(call, { usage, characters: 0, prices })
  else countTokens(call, usage, prices)
  call.onServed?.({ ...served, spend: call.trace.spend })
  return { body: answer, usage }
}

/** Each dialect has its own words for the same two counts. */
function countTokens(call: ModelCall, usage: JsonObject, prices: ModelPrices | undefined): void {
  const { trace } = call
  spend(call, costOf(usage, prices))
  const prompt = promptTokens(usage)
  const completion = completionTokens(usage)
  if (prompt !== undefined) trace.promptTokens = prompt
  if (completion !== undefined) trace.completionTokens = completion
}
