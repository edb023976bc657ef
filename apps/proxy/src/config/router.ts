/**
 * `router_settings`, and what of it LiteLLM also takes in `litellm_settings`: how requests for a model are spread over its
 * deployments, repeated, and passed on to other models. `router_settings` wins.
 */
import { defaultRouterSettings, type FallbackTable, type RouterSettings } from '@toolgate/llm'
import { z } from 'zod'
import { inertRouterSettings } from './litellm-keys.ts'
import type { ConfigPath, Report } from './report.ts'
import { amount, flag, names, seconds, timeout } from './scalars.ts'
import { readSection } from './section.ts'

const count = amount('a whole number').refine(Number.isInteger, { error: 'must be a whole number' })
/** `[{model: [others]}, …]` as LiteLLM writes it, or one map. */
const table = z.union([z.array(z.record(z.string(), names)), z.record(z.string(), names)], {
  error: 'must be a list of {model: [other models]}',
})

const shared = {
  num_retries: count.refine((value) => value <= 10, { error: 'must be at most 10' }).optional(),
  allowed_fails: count.optional(),
  cooldown_time: seconds.optional(),
  fallbacks: table.optional(),
  context_window_fallbacks: table.optional(),
  content_policy_fallbacks: table.optional(),
  default_fallbacks: names.optional(),
}

/** The same settings in `litellm_settings`. */
export const sharedRouterShape = { ...shared, request_timeout: timeout.optional() }

const strategies = {
  'simple-shuffle': 'simple-shuffle',
  'least-busy': 'least-busy',
  'usage-based-routing': undefined,
  'usage-based-routing-v2': undefined,
  'latency-based-routing': undefined,
  'cost-based-routing': undefined,
} as const

const strategyNames = [
  'simple-shuffle',
  'least-busy',
  'usage-based-routing',
  'usage-based-routing-v2',
  'latency-based-routing',
  'cost-based-routing',
] as const satisfies readonly (keyof typeof strategies)[]

export const routerSettingsSchema = z.object({
  ...shared,
  routing_strategy: z.enum(strategyNames).optional(),
  retry_after: amount('a number of seconds').optional(),
  timeout: timeout.optional(),
  stream_timeout: timeout.optional(),
  model_group_alias: z
    .record(z.string(), z.union([z.string(), z.object({ model: z.string(), hidden: flag.optional() })]))
    .optional(),
})

type RouterSection = z.output<typeof routerSettingsSchema>
type SharedSection = z.output<z.ZodObject<typeof sharedRouterShape>>

export function readRouterSettings(value: unknown, litellm: SharedSection, report: Report): RouterSettings {
  const path = ['router_settings']
  const section =
    readSection(
      value,
      { path, report },
      { schema: routerSettingsSchema, dialect: 'litellm', inert: inertRouterSettings },
    ) ?? {}
  const either = { ...litellm, ...section }
  return {
    strategy: readStrategy(section, [...path, 'routing_strategy'], report),
    retries: either.num_retries ?? defaultRouterSettings.retries,
    retryAfterMs: (section.retry_after ?? 0) * 1_000,
    allowedFails: either.allowed_fails ?? defaultRouterSettings.allowedFails,
    cooldownMs: either.cooldown_time ?? defaultRouterSettings.cooldownMs,
    timeoutMs: section.timeout ?? litellm.request_timeout,
    streamTimeoutMs: section.stream_timeout,
    ...readFallbacks(either),
    aliases: new Map(
      Object.entries(section.model_group_alias ?? {}).map(([alias, meant]) => [
        alias,
        typeof meant === 'string'
          ? { model: meant, hidden: false }
          : { model: meant.model, hidden: meant.hidden === true },
      ]),
    ),
  }
}

function readStrategy({ routing_strategy: wanted }: RouterSection, path: ConfigPath, report: Report) {
  const strategy = wanted === undefined ? undefined : strategies[wanted]
  if (wanted !== undefined && strategy === undefined) {
    report.warn(path, 'is accepted, not acted on: requests are spread by simple-shuffle')
  }
  return strategy ?? defaultRouterSettings.strategy
}

/** `"*"` among the general ones is every name that has none of its own. */
function readFallbacks(section: SharedSection): Pick<RouterSettings, 'fallbacks'> {
  const general = toTable(section.fallbacks)
  return {
    fallbacks: {
      general,
      contextWindow: toTable(section.context_window_fallbacks),
      contentPolicy: toTable(section.content_policy_fallbacks),
      others: general.get('*') ?? section.default_fallbacks ?? [],
    },
  }
}

function toTable(written: SharedSection['fallbacks'] = []): FallbackTable {
  return new Map((Array.isArray(written) ? written : [written]).flatMap((entries) => Object.entries(entries)))
}

/** Every model that the settings lead to, with its place in the file. */
export function namesInRouter({ fallbacks, aliases }: RouterSettings): { path: ConfigPath; name: string }[] {
  const tables = {
    fallbacks: fallbacks.general,
    context_window_fallbacks: fallbacks.contextWindow,
    content_policy_fallbacks: fallbacks.contentPolicy,
  }
  const inTables = Object.entries(tables).flatMap(([setting, entries]) =>
    [...entries].flatMap(([from, others]) =>
      others.map((name) => ({ path: ['router_settings', setting, from], name })),
    ),
  )
  const inAliases = [...aliases].map(([alias, { model }]) => ({
    path: ['router_settings', 'model_group_alias', alias],
    name: model,
  }))
  const inOthers = fallbacks.others.map((name) => ({ path: ['router_settings', 'default_fallbacks'], name }))
  return [...inTables, ...inOthers, ...inAliases]
}
