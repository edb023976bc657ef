import { z } from 'zod'

/** The settings of a `model_list` entry that mean the same whatever provider serves it: its share, its limits, its prices. */

export interface DeploymentRouting {
  /** Shares of the requests among the deployments of one name. */
  readonly weight?: number | undefined
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  /** Deployments of a lower number are asked first. */
  readonly order?: number | undefined
  /** Requests under way at a time; the others wait. */
  readonly maxParallel?: number | undefined
  /** Has a timeout of its own, which its provider keeps. */
  readonly hasTimeout?: boolean | undefined
  /** Until the first byte of a stream. */
  readonly streamTimeoutMs?: number | undefined
  readonly cooldownMs?: number | undefined
}

/** Dollars per token. */
export interface ModelPrices {
  readonly input: number
  readonly output: number
  /** Of prompt tokens that the provider had in its cache, or put there; `input` where nothing is said. */
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
}

const positive = z.coerce.number().positive().optional()
const price = z.coerce.number().nonnegative().optional()
const seconds = z.coerce
  .number()
  .positive()
  .max(86_400)
  .transform((value) => value * 1_000)
  .optional()

const routingShape = {
  weight: z.coerce.number().nonnegative().optional(),
  rpm: positive,
  tpm: positive,
  order: z.coerce.number().int().optional(),
  max_parallel_requests: z.coerce.number().int().positive().optional(),
  stream_timeout: seconds,
  cooldown_time: seconds,
}

const priceShape = {
  input_cost_per_token: price,
  output_cost_per_token: price,
  cache_read_input_token_cost: price,
  cache_creation_input_token_cost: price,
}

const pricesSchema = z.object(priceShape)
const parametersSchema = pricesSchema.extend(routingShape)

/** `id` names the deployment in health, metrics, logs and headers. What else is in `model_info` is for people. */
const informationSchema = z.looseObject({ ...priceShape, id: z.coerce.string().min(1).max(128).optional() })

/** Of `litellm_params`: not for the provider. */
export const routingKeys: readonly string[] = Object.keys(parametersSchema.shape)

export interface EntrySettings {
  readonly id: string | undefined
  readonly routing: DeploymentRouting
  readonly prices: ModelPrices | undefined
}

export type ReadEntrySettings =
  | { readonly ok: true; readonly settings: EntrySettings }
  | { readonly ok: false; readonly issues: readonly z.core.$ZodIssue[] }

/** Prices may stand in either, as in LiteLLM; `litellm_params` wins. */
export function readEntrySettings(parameters: object, information: object = {}): ReadEntrySettings {
  const params = parametersSchema.safeParse(parameters)
  const info = informationSchema.safeParse(information)
  if (!params.success || !info.success) {
    return { ok: false, issues: [...issuesAt('litellm_params', params), ...issuesAt('model_info', info)] }
  }
  const { weight, rpm, tpm, order } = params.data
  return {
    ok: true,
    settings: {
      id: info.data.id,
      routing: {
        weight,
        rpm,
        tpm,
        order,
        maxParallel: params.data.max_parallel_requests,
        hasTimeout: 'timeout' in parameters,
        streamTimeoutMs: params.data.stream_timeout,
        cooldownMs: params.data.cooldown_time,
      },
      prices: pricesOf(params.data, info.data),
    },
  }
}

function issuesAt(section: string, parsed: z.ZodSafeParseResult<unknown>) {
  return parsed.success ? [] : parsed.error.issues.map((issue) => ({ ...issue, path: [section, ...issue.path] }))
}

type WrittenPrices = z.output<typeof pricesSchema>

function pricesOf(params: WrittenPrices, info: WrittenPrices): ModelPrices | undefined {
  const written = (name: keyof WrittenPrices) => params[name] ?? info[name]
  const input = written('input_cost_per_token')
  const output = written('output_cost_per_token')
  if (input === undefined && output === undefined) return undefined
  return {
    input: input ?? 0,
    output: output ?? 0,
    cacheRead: written('cache_read_input_token_cost'),
    cacheWrite: written('cache_creation_input_token_cost'),
  }
}
