import { type Caller, type Clock, GatewayError, startDeadline, toGatewayError } from '@toolgate/core'
import { type Deployment, type Models, withIds } from '@toolgate/llm'

/**
 * How the models are, found by asking each of them for a word. That costs the operator money, so it happens when an
 * administrator asks and at no other time, a few at once, each within a bound. What came of it is remembered.
 */
export interface ModelHealth {
  /** Rejects with `MODEL_NOT_FOUND` where nothing fits, and where the caller leaves. */
  check(caller: Caller, wanted: WantedModels): Promise<ModelReport>
  /** The last check of each deployment. */
  latest(): readonly ModelCheck[]
  /** The newest first. */
  history(): readonly ModelCheck[]
}

export interface WantedModels {
  /** The public name. */
  readonly model?: string | undefined
  readonly modelId?: string | undefined
}

export interface ModelReport {
  readonly checked: readonly ModelCheck[]
  /** Patterns such as `openai/*`, which name no model to ask, and what is beyond the bound. */
  readonly unchecked: readonly UncheckedModel[]
}

export interface ModelIdentity {
  /** The same as long as the entry of the file names the same model, and stands where it stood among equals. */
  readonly modelId: string
  readonly modelName: string
  readonly provider: string
  readonly upstreamModel: string
}

export interface ModelCheck extends ModelIdentity {
  readonly healthy: boolean
  /** One sentence; absent where it is healthy. */
  readonly message?: string
  /** Milliseconds. */
  readonly latencyMs: number
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The principal that asked. */
  readonly by: string
}

export interface UncheckedModel extends ModelIdentity {
  readonly reason: string
}

/** Milliseconds that one model gets to answer. */
const checkMs = 30_000
const checksAtOnce = 8
const maxChecks = 100
const remembered = 1_000

/** As little as every provider accepts: some refuse fewer tokens. */
const question = { messages: [{ role: 'user', content: 'Say ok.' }], max_tokens: 16 }

export interface ModelHealthOptions {
  readonly models: Pick<Models, 'deployments' | 'generate'>
  readonly clock: Clock
}

export function createModelHealth({ models, clock }: ModelHealthOptions): ModelHealth {
  const records: ModelCheck[] = []

  const ask = async (caller: Caller, { deployment, ...identity }: Candidate): Promise<ModelCheck> => {
    const started = clock.monotonic()
    const failure = await failureOf(async () => {
      using deadline = startDeadline(clock, checkMs, caller.signal)
      const body = { model: identity.modelName, ...question }
      await models.generate(caller, { body, signal: deadline.signal, deployment })
    })
    caller.signal.throwIfAborted()
    const latencyMs = Math.round(clock.monotonic() - started)
    const facts = { ...identity, latencyMs, at: clock.now(), by: caller.principal.id }
    const check = failure === undefined ? { ...facts, healthy: true } : { ...facts, healthy: false, message: failure }
    records.push(check)
    if (records.length > remembered) records.shift()
    return check
  }

  return {
    async check(caller, wanted) {
      const candidates = identify(models.deployments(caller.principal)).filter((candidate) => fits(candidate, wanted))
      if (candidates.length === 0 && (wanted.model ?? wanted.modelId) !== undefined) throw notFound(wanted)
      const askable = candidates.filter(({ upstreamModel }) => !upstreamModel.includes('*'))
      const checked = await eachOf(askable.slice(0, maxChecks), (candidate) => ask(caller, candidate))
      const unchecked = [
        ...candidates
          .filter(({ upstreamModel }) => upstreamModel.includes('*'))
          .map((candidate) => withReason(candidate, 'A pattern names no model that could be asked.')),
        ...askable
          .slice(maxChecks)
          .map((candidate) => withReason(candidate, `At most ${maxChecks} models are asked at once: name one.`)),
      ]
      return { checked, unchecked }
    },
    latest: () => [...new Map(records.map((record) => [record.modelId, record])).values()],
    history: () => records.toReversed(),
  }
}

interface Candidate extends ModelIdentity {
  readonly deployment: Deployment
}

function identify(deployments: readonly Deployment[]): readonly Candidate[] {
  return withIds(deployments).map((deployment) => {
    const { id, modelName, upstreamModel, provider } = deployment
    return { modelId: id, modelName, provider: provider.type, upstreamModel, deployment }
  })
}

function fits({ modelName, modelId }: Candidate, { model, modelId: wantedId }: WantedModels): boolean {
  return (model === undefined || model === modelName) && (wantedId === undefined || wantedId === modelId)
}

function notFound({ model, modelId }: WantedModels): GatewayError {
  return new GatewayError('MODEL_NOT_FOUND', `No model of that ${model === undefined ? 'id' : 'name'} is configured.`, {
    details: { model: model ?? modelId },
  })
}

function withReason({ modelId, modelName, provider, upstreamModel }: Candidate, reason: string): UncheckedModel {
  return { modelId, modelName, provider, upstreamModel, reason }
}

/** In the given order, `checksAtOnce` at a time. */
async function eachOf<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results = new Map<number, Result>()
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) results.set(index, await work(item))
  }
  await Promise.all(Array.from({ length: Math.min(checksAtOnce, items.length) }, worker))
  return [...results].toSorted(([left], [right]) => left - right).map(([, result]) => result)
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    // That it failed is what was asked for; the log and the ledger have the rest.
    return toGatewayError(error).message
  }
}
