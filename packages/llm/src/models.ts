import {
  type CallTrace,
  type Caller,
  type Clock,
  compose,
  GatewayError,
  type JsonObject,
  type Layer,
  type Logger,
  type NewId,
  type Principal,
  randomId,
  type Recorder,
  settled,
  silentLogger,
  systemClock,
} from '@toolgate/core'
import type { Deployment } from './deployment.ts'
import { authorizeModel, permitsModel } from './model-access.ts'
import type { Generation, ModelCall, Operation } from './model-call.ts'
import { speaks } from './crossing/wire-of.ts'
import { createRouter, type Router, type RouterListener, type Served } from './router/router.ts'
import { defaultRouterSettings, type RouterSettings } from './router/router-settings.ts'
import { isServed } from './routing.ts'
import { watchEnd } from './stream-end.ts'
import { passingOf, sendToModel } from './send-to-model.ts'
import type { Passing, WireDialect } from './wire.ts'

/**
 * The second spine: record ▸ authorize ▸ policies ▸ route ▸ provider. Every request to a model passes here, each round of
 * a tool loop on its own. It knows no tools; what may be repeated and where is the router's.
 */
export interface Models {
  /** Names the principal may ask for, in the order of the file. */
  list(principal: Principal): readonly string[]
  /** Whether it may ask for this very name, also where only a pattern serves it. */
  serves(principal: Principal, name: string): boolean
  /** What serves the names that the principal may ask for, one by one: for whoever wants to know how each of them is. */
  deployments(principal: Principal): readonly Deployment[]
  /** Whether everything that serves the name speaks the dialect itself: then such requests are relayed. */
  speaks(model: string, dialect: Exclude<WireDialect, 'chat'>): boolean
  /** How many tokens a request in Anthropic's or Gemini's dialect is, where its provider counts. No answer of a model, so no row. */
  countTokens(caller: Caller, request: ModelRequest): Promise<JsonObject | undefined>
  /**
   * Takes a request through its rings without asking a model: what limits, guardrails and permissions refuse is refused here, with a
   * row. A request that was let through is asked as `admitted`.
   */
  admit(caller: Caller, request: ModelRequest): Promise<void>
  /** One whole answer, as the provider gave it. */
  generate(caller: Caller, request: ModelRequest): Promise<JsonObject>
  /** Vectors for the texts in `input`, in OpenAI's embeddings dialect. `INVALID_REQUEST` where the model makes none. */
  embed(caller: Caller, request: Pick<ModelRequest, 'body' | 'signal' | 'onServed'>): Promise<JsonObject>
  /** The provider's server-sent events. Its rings close, and its row is written, when the stream ends or is left. */
  stream(caller: Caller, request: ModelRequest): Promise<AsyncIterable<Uint8Array>>
}

export interface ModelRequest {
  /** `complete`: OpenAI's older completions. `INVALID_REQUEST` where the model has none. */
  readonly operation?: 'generate' | 'complete' | undefined
  /** `model` is the public name. */
  readonly body: JsonObject
  /** What the body is written in, and the answer; chat completions where nothing is said. */
  readonly dialect?: WireDialect | undefined
  readonly passing?: Passing | undefined
  /** Of the tool loop, from 1. */
  readonly round?: number | undefined
  /** See {@link Models.admit}: limits have counted it. */
  readonly admitted?: boolean | undefined
  /** A bound of the tool loop is reached: without tools, for the answer alone. */
  readonly closing?: boolean | undefined
  /** Names of the functions in the body that are tools of the gateway: their schemas are written as the provider takes them. */
  readonly ownTools?: ReadonlySet<string> | undefined
  /** Narrower than the caller's, where given. */
  readonly signal?: AbortSignal | undefined
  /** This one and no other that serves the name. */
  readonly deployment?: Deployment | undefined
  /** Hears which deployment answered, before the first byte goes out. */
  readonly onServed?: ((served: Served) => void) | undefined
}

export interface ModelsOptions {
  /** Asked anew for each request: a reload swaps them. */
  readonly deployments: () => readonly Deployment[]
  readonly record: Recorder
  /** First is outermost. */
  readonly policies: readonly Layer<ModelCall, Generation>[]
  /** Of these, the ones that also stand around counting tokens: what is counted leaves the gateway as what is asked does. */
  readonly countingPolicies?: readonly Layer<ModelCall, Generation>[]
  readonly clock?: Clock
  readonly newId?: NewId
  /** 0 ≤ value < 1; spreads requests over the deployments of one name. */
  readonly random?: () => number
  /** Asked anew for each request. */
  readonly routerSettings?: () => RouterSettings
  readonly log?: Logger
  readonly listener?: RouterListener | undefined
}

export function createModels(options: ModelsOptions): Models {
  const { deployments, routerSettings = () => defaultRouterSettings, record, policies } = options
  const router = createRouter({
    random: Math.random,
    clock: systemClock,
    log: silentLogger,
    ...options,
    settings: routerSettings,
  })
  const list = (principal: Principal) => listModels(deployments(), routerSettings(), principal)
  const ask = compose(policies, routing(options, { router, list }))
  const admitted = compose(policies, (call: ModelCall) => requireServed(call, { router, list }))
  const count = compose(options.countingPolicies ?? [], (call: ModelCall) => countWith(call, router))
  const toCall = callMaker(options, router)

  const run = (call: ModelCall): Promise<Generation> =>
    record(call, () =>
      settled(call.trace, call.caller.signal, async () => {
        authorizeModel(call.caller.principal, call.model, call.meaning)
        return ask(call)
      }),
    )

  return {
    list,
    serves: (principal, name) =>
      list(principal).includes(name) || (isServed(deployments(), name) && permitsModel(principal, name)),
    deployments: (principal) => deployments().filter(({ modelName }) => permitsModel(principal, modelName)),
    speaks: (model, dialect) => speakAll(router.reachable(model), dialect),
    async countTokens(caller, request) {
      const call = toCall(caller, request)
      authorizeModel(caller.principal, call.model, call.meaning)
      return (await count(call)).body
    },
    async admit(caller, request) {
      const call = toCall(caller, request)
      try {
        authorizeModel(caller.principal, call.model, call.meaning)
        await admitted(call)
      } catch (error) {
        await record(call, () => settled(call.trace, caller.signal, () => Promise.reject(error)))
      }
    },
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

interface Routing {
  readonly router: Router
  readonly list: (principal: Principal) => readonly string[]
}

/** Everything behind the policies. */
function routing(options: ModelsOptions, { router, list }: Routing): (call: ModelCall) => Promise<Generation> {
  const { clock = systemClock, newId = randomId } = options
  return async (call) => {
    const { model, deployment, signal, deliver } = call
    if (deployment !== undefined) return sendToModel(call, pinned(deployment), { signal, begun() {}, clock, newId })
    await requireServed(call, { router, list })
    const request = { name: model, streamed: deliver !== undefined, signal }
    return router.run(request, (served, control) => sendToModel(call, served, { ...control, clock, newId }))
  }
}

async function requireServed({ model, caller }: ModelCall, { router, list }: Routing): Promise<Generation> {
  if (router.choose(model) === undefined) throw unknownModel(model, list(caller.principal))
  return {}
}

function callMaker({ clock = systemClock, newId = randomId }: ModelsOptions, { meaning }: Pick<Router, 'meaning'>) {
  return (caller: Caller, request: ModelRequest, operation: Operation = request.operation ?? 'generate'): ModelCall => {
    const { body, dialect = 'chat', round, closing, admitted, signal = caller.signal } = request
    const { passing, ownTools, deployment, onServed } = request
    const model = readModel(body)
    const trace: CallTrace = {
      callId: newId('gen'),
      kind: 'generation',
      method: operation === 'generate' ? methods[dialect] : methodsBeside[operation],
      startedAt: clock.now(),
      publicName: model,
      round,
      closing,
      continued: admitted,
    }
    const asked = { operation, model, meaning: meaning(model), dialect, body, passing, ownTools, deployment }
    return { ...asked, caller, trace, signal, onServed }
  }
}

function speakAll(serving: readonly Deployment[], dialect: Exclude<WireDialect, 'chat'>): boolean {
  return serving.length > 0 && serving.every(({ provider }) => speaks(provider, dialect))
}

async function countWith(call: ModelCall, router: Router): Promise<Generation> {
  const { model: name, body, signal, dialect } = call
  const route = router.choose(name)
  if (route === undefined) throw unknownModel(name, [])
  const { countTokens: countMessages, countGeminiTokens } = route.deployment.provider.native ?? {}
  const counter = dialect === 'gemini' ? countGeminiTokens : countMessages
  return { body: await counter?.generate({ ...body, model: route.model }, signal, passingOf(call)) }
}

/** Of whoever wants to know about one deployment: no other answers in its place. */
function pinned(deployment: Deployment): Served {
  const { modelName, upstreamModel } = deployment
  return { deployment, model: upstreamModel, group: modelName, retries: 0, fallbacks: 0 }
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
const methods = {
  chat: 'chat.completions',
  responses: 'responses',
  messages: 'messages',
  gemini: 'generateContent',
} as const satisfies Record<WireDialect, string>

const methodsBeside = { complete: 'completions', embed: 'embeddings' } as const

/** A configured pattern is listed as it is, and so is every name granted to the key that a pattern serves. */
function listModels(
  deployments: readonly Deployment[],
  { aliases }: RouterSettings,
  principal: Principal,
): readonly string[] {
  const configured = deployments.map(({ modelName }) => modelName).filter((name) => permitsModel(principal, name))
  const granted = [...principal.grants.models].filter((name) => !name.includes('*') && isServed(deployments, name))
  const standIns = [...aliases].flatMap(([alias, { model, hidden }]) => {
    const shown = !hidden && isServed(deployments, model)
    return shown && permitsModel(principal, alias, model) ? [alias] : []
  })
  return [...new Set([...configured, ...granted, ...standIns])]
}

const modelsNamedInErrors = 20

function unknownModel(model: string, known: readonly string[]): GatewayError {
  const shown = known.slice(0, modelsNamedInErrors).join(', ')
  const rest = known.length > modelsNamedInErrors ? ` and ${known.length - modelsNamedInErrors} more` : ''
  return new GatewayError('MODEL_NOT_FOUND', `Unknown model "${model}". This key may use: ${shown || 'none'}${rest}.`, {
    details: { model },
  })
}
