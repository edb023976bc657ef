import {
  type CallTrace,
  type Caller,
  type Clock,
  compose,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Layer,
  type NewId,
  type Principal,
  randomId,
  type Recorder,
  settled,
  systemClock,
  type TracedCall,
} from '@toolgate/core'
import type { Deployment } from './deployment.ts'
import { authorizeModel, permitsModel } from './model-access.ts'
import type { LlmProvider } from './providers/provider.ts'
import { type CrossingSeams, speaks, wireOf } from './crossing/wire-of.ts'
import { withBlamedTool } from './schemas/blamed-tool.ts'
import { projectTools } from './schemas/project-tools.ts'
import { findRoute, findRoutes, type Route } from './routing.ts'
import { watchEnd } from './stream-end.ts'
import { watchUsage } from './stream-usage.ts'
import type { Passing, Wire, WireDialect } from './wire.ts'

/**
 * The second spine: record ▸ authorize ▸ policies ▸ route ▸ provider. Every request to a model passes here, each round of
 * a tool loop on its own. It knows no tools and repeats nothing.
 */
export interface Models {
  /** Names the principal may ask for, in the order of the file. */
  list(principal: Principal): readonly string[]
  /** What serves the names that the principal may ask for, one by one: for whoever wants to know how each of them is. */
  deployments(principal: Principal): readonly Deployment[]
  /** Whether everything that serves the name speaks the dialect itself: then such requests are relayed. */
  speaks(model: string, dialect: Exclude<WireDialect, 'chat'>): boolean
  /** How many tokens a request in Anthropic's dialect is, where its provider counts. No answer of a model, so no row. */
  countTokens(caller: Caller, request: ModelRequest): Promise<JsonObject | undefined>
  /** One whole answer, as the provider gave it. */
  generate(caller: Caller, request: ModelRequest): Promise<JsonObject>
  /** Vectors for the texts in `input`, in OpenAI's embeddings dialect. `INVALID_REQUEST` where the model makes none. */
  embed(caller: Caller, request: Pick<ModelRequest, 'body' | 'signal'>): Promise<JsonObject>
  /** The provider's server-sent events. Its rings close, and its row is written, when the stream ends or is left. */
  stream(caller: Caller, request: ModelRequest): Promise<AsyncIterable<Uint8Array>>
}

export interface ModelRequest {
  /** `model` is the public name. */
  readonly body: JsonObject
  /** What the body is written in, and the answer; chat completions where nothing is said. */
  readonly dialect?: WireDialect | undefined
  readonly passing?: Passing | undefined
  /** Of the tool loop, from 1. */
  readonly round?: number | undefined
  /** Names of the functions in the body that are tools of the gateway: their schemas are written as the provider takes them. */
  readonly ownTools?: ReadonlySet<string> | undefined
  /** Narrower than the caller's, where given. */
  readonly signal?: AbortSignal | undefined
  /** This one and no other that serves the name. */
  readonly deployment?: Deployment | undefined
}

/** What a model is asked for. */
export type Operation = 'generate' | 'embed'

/** What the policies see. */
export interface ModelCall extends TracedCall {
  readonly operation: Operation
  /** The public name. */
  readonly model: string
  readonly dialect: WireDialect
  readonly body: JsonObject
  readonly passing: Passing | undefined
  readonly ownTools?: ReadonlySet<string> | undefined
  readonly signal: AbortSignal
  readonly deployment?: Deployment | undefined
  /** Streaming: takes the stream and resolves when it has been read or left. */
  readonly deliver?: ((bytes: AsyncIterable<Uint8Array>) => Promise<void>) | undefined
}

/** `body` is absent where the answer was streamed. */
export interface Generation {
  readonly body?: JsonObject | undefined
  readonly usage?: JsonObject | undefined
}

export interface ModelsOptions {
  /** Asked anew for each request: a reload swaps them. */
  readonly deployments: () => readonly Deployment[]
  readonly record: Recorder
  /** First is outermost. */
  readonly policies: readonly Layer<ModelCall, Generation>[]
  readonly clock?: Clock
  readonly newId?: NewId
  /** 0 ≤ value < 1; spreads requests over the deployments of one name. */
  readonly random?: () => number
}

export function createModels({
  deployments,
  record,
  policies,
  clock = systemClock,
  newId = randomId,
  random = Math.random,
}: ModelsOptions): Models {
  const answer = compose(policies, (call) => send(call, route(call), { clock, newId }))

  const route = ({ model, caller, deployment }: ModelCall): Route => {
    if (deployment !== undefined) return { deployment, model: deployment.upstreamModel }
    const found = findRoute(deployments(), model, random)
    if (found === undefined) throw unknownModel(model, listModels(deployments(), caller.principal))
    return found
  }

  const run = (call: ModelCall): Promise<Generation> =>
    record(call, () =>
      settled(call.trace, call.caller.signal, async () => {
        authorizeModel(call.caller.principal, call.model)
        return answer(call)
      }),
    )

  const toCall = (caller: Caller, request: ModelRequest, operation: Operation = 'generate'): ModelCall => {
    const { body, round, deployment, dialect = 'chat', passing, ownTools, signal = caller.signal } = request
    const model = readModel(body)
    const trace: CallTrace = {
      callId: newId('gen'),
      kind: 'generation',
      method: operation === 'embed' ? 'embeddings' : methods[dialect],
      startedAt: clock.now(),
      publicName: model,
      round,
    }
    return { operation, caller, trace, model, dialect, body, passing, ownTools, signal, deployment }
  }

  return {
    list: (principal) => listModels(deployments(), principal),
    deployments: (principal) => deployments().filter(({ modelName }) => permitsModel(principal, modelName)),
    speaks: (model, dialect) => speakAll(findRoutes(deployments(), model), dialect),
    countTokens: (caller, request) => countWith(toCall(caller, request), route),
    generate: async (caller, request) => wholeAnswer(await run(toCall(caller, request))),
    embed: async (caller, request) => wholeAnswer(await run(toCall(caller, request, 'embed'))),
    async stream(caller, request) {
      const opened = Promise.withResolvers<AsyncIterable<Uint8Array>>()
      const call = toCall(caller, request)
      const deliver = (bytes: AsyncIterable<Uint8Array>) => {
        const { watched, ended } = watchEnd(bytes, call.signal)
        opened.resolve(watched)
        return ended
      }
      // Once the stream is open, who reads it sees its failure: rejecting is then without effect.
      run({ ...call, deliver }).catch(opened.reject)
      return opened.promise
    },
  }
}

function speakAll(serving: readonly Deployment[], dialect: Exclude<WireDialect, 'chat'>): boolean {
  return serving.length > 0 && serving.every(({ provider }) => speaks(provider, dialect))
}

async function countWith(call: ModelCall, route: (call: ModelCall) => Route): Promise<JsonObject | undefined> {
  authorizeModel(call.caller.principal, call.model)
  const { deployment, model } = route(call)
  return deployment.provider.native?.countTokens?.generate({ ...call.body, model }, call.signal, call.passing)
}

function wholeAnswer({ body }: Generation): JsonObject {
  if (body !== undefined) return body
  throw new GatewayError('INTERNAL', 'The model was asked, and its answer went astray.')
}

/** Characters. A pattern such as `openai/*` takes any name, and names are kept in the ledger. */
const maxModelLength = 256

function readModel({ model }: JsonObject): string {
  if (typeof model === 'string' && model !== '' && model.length <= maxModelLength) return model
  const problem =
    typeof model === 'string' && model !== '' ? `is longer than ${maxModelLength} characters` : 'is missing'
  throw new GatewayError('INVALID_REQUEST', `"model" ${problem}: name the model to ask.`, {
    details: { field: 'model' },
  })
}

/** As the ledger names them. */
const methods = { chat: 'chat.completions', responses: 'responses', messages: 'messages' } as const satisfies Record<
  WireDialect,
  string
>

async function send(call: ModelCall, { deployment, model }: Route, seams: CrossingSeams): Promise<Generation> {
  const { provider } = deployment
  call.trace.model = model
  call.trace.provider = provider.type
  if (call.operation === 'embed') return embed(call, provider, model)
  const body = projected(call, provider)
  try {
    return await ask({ ...call, body }, wireOf(provider, call.dialect, seams), model)
  } catch (error) {
    throw withBlamedTool(error, body)
  }
}

/** Tools of the gateway in the words of the provider; a client's own too where its dialect is not the provider's. */
function projected({ body, dialect, ownTools = new Set() }: ModelCall, provider: LlmProvider): JsonObject {
  if (provider.schemas === undefined) return body
  const only = speaks(provider, dialect) ? ownTools : undefined
  return projectTools(body, { dialect, profile: provider.schemas, only })
}

async function ask(call: ModelCall, wire: Wire, model: string): Promise<Generation> {
  const { trace, body, passing, signal, deliver } = call
  if (deliver === undefined) {
    const { stream: _stream, stream_options: _options, ...whole } = body
    const answer = await wire.generate({ ...whole, model }, signal, passing)
    const usage = isJsonObject(answer['usage']) ? answer['usage'] : undefined
    countTokens(trace, usage)
    return { body: answer, usage }
  }
  let usage: JsonObject | undefined
  let complete = false
  const bytes = await wire.stream({ ...body, model, stream: true }, signal, passing)
  const onUsage = (seen: JsonObject) => {
    usage = { ...usage, ...seen }
    countTokens(trace, usage)
  }
  try {
    await deliver(watchUsage(bytes, onUsage, () => void (complete = true)))
  } catch (error) {
    // A client that hangs up with the whole answer in its hands has been answered.
    if (!complete || !signal.aborted) throw error
  }
  return { usage }
}

async function embed(call: ModelCall, provider: LlmProvider, model: string): Promise<Generation> {
  if (provider.embed === undefined) {
    throw new GatewayError('INVALID_REQUEST', `The model "${call.model}" makes no embeddings: its provider has none.`, {
      details: { field: 'model', model: call.model },
    })
  }
  const answer = await provider.embed({ ...call.body, model }, call.signal)
  const usage = isJsonObject(answer['usage']) ? answer['usage'] : undefined
  countTokens(call.trace, usage)
  return { body: answer, usage }
}

/** Each dialect has its own words for the same two counts. */
function countTokens(trace: CallTrace, usage: JsonObject | undefined): void {
  const { prompt_tokens, completion_tokens, input_tokens, output_tokens } = usage ?? {}
  const prompt = prompt_tokens ?? input_tokens
  const completion = completion_tokens ?? output_tokens
  if (typeof prompt === 'number') trace.promptTokens = prompt
  if (typeof completion === 'number') trace.completionTokens = completion
}

/** A configured pattern is listed as it is, and so is every name granted to the key that a pattern serves. */
function listModels(deployments: readonly Deployment[], principal: Principal): readonly string[] {
  const configured = deployments.map(({ modelName }) => modelName).filter((name) => permitsModel(principal, name))
  const granted = [...principal.grants.models].filter(
    (name) => !name.includes('*') && findRoute(deployments, name, () => 0) !== undefined,
  )
  return [...new Set([...configured, ...granted])]
}

const modelsNamedInErrors = 20

function unknownModel(model: string, known: readonly string[]): GatewayError {
  const shown = known.slice(0, modelsNamedInErrors).join(', ')
  const rest = known.length > modelsNamedInErrors ? ` and ${known.length - modelsNamedInErrors} more` : ''
  return new GatewayError('MODEL_NOT_FOUND', `Unknown model "${model}". This key may use: ${shown || 'none'}${rest}.`, {
    details: { model },
  })
}
