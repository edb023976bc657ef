import { type Clock, GatewayError, type TracedCall } from '@toolgate/core'
import { createMinuteCounts } from './minute-counts.ts'
import { createParallelPlaces } from './parallel-places.ts'

/**
 * The limits of keys on requests, tokens and calls within a minute, and on requests at a time. Counted by this process alone:
 * several replicas allow as many times as much. A request with gateway tools is one request, however many rounds and calls are
 * behind it; tokens are those of all rounds, and calls count for the limits of servers.
 */
export interface KeyLimiter {
  /** Counts the call in. Rejects with `RATE_LIMITED`. What it answers is called when the call is over. */
  enter(call: LimitedCall): () => void
}

export interface LimitedCall extends TracedCall {
  /** The public name, of a call to a model. */
  readonly model?: string | undefined
  /** What an alias of a model stands for: it is limited under both names. */
  readonly meaning?: string | undefined
  /** The names that a limit may know a server by, of a call of a tool. */
  readonly servers?: readonly string[] | undefined
}

interface Limit {
  /** LiteLLM's word. */
  readonly type: 'requests' | 'tokens'
  readonly subject: string
  readonly name: string
  readonly most: number
}

export function createKeyLimiter(clock: Clock): KeyLimiter {
  const counts = createMinuteCounts(clock)
  const places = createParallelPlaces()

  const refuse = (limit: Omit<Limit, 'type' | 'name'> & { readonly type: string; readonly restMs: number }) => {
    const { subject, type, most, restMs } = limit
    const seconds = Math.max(1, Math.ceil(restMs / 1_000))
    const resetsAt = new Date(clock.now() + seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')
    return new GatewayError(
      'RATE_LIMITED',
      `Rate limit exceeded for ${subject}. Limit type: ${type}. Current limit: ${most}, Remaining: 0. Limit resets at: ${resetsAt} UTC`,
      { details: { retryAfter: String(seconds), limitType: type } },
    )
  }

  return {
    enter(call) {
      const { principal } = call.caller
      const { limits = {}, keyHash } = principal
      const counted = countsAsRequest(call)
      const applying = [...requestLimits(call, counted), ...tokenLimits(call)]
      for (const limit of applying) {
        if (call.trace.closing === true && limit.type === 'tokens') continue
        if (counts.count(limit.name) >= limit.most) throw refuse({ ...limit, restMs: counts.restMs(limit.name) })
      }
      const most = limits.parallelRequests
      // A later round has had its place; whoever took it between rounds must not stop what tools have begun.
      if (most !== undefined && counted && places.taken(keyHash) >= most) {
        throw refuse({ subject: `api_key: ${keyHash}`, type: 'max_parallel_requests', most, restMs: 0 })
      }
      const leave = most === undefined ? undefined : places.enter(keyHash, requestOf(call))
      for (const { type, name } of applying) if (type === 'requests') counts.add(name, 1)

      return () => {
        const { promptTokens = 0, completionTokens = 0 } = call.trace
        for (const { type, name } of applying) if (type === 'tokens') counts.add(name, promptTokens + completionTokens)
        leave?.()
      }
    },
  }
}

/** Rounds and tools of one tool loop are one request; any other call is one of its own. */
function requestOf({ caller, trace }: LimitedCall): string | symbol {
  return trace.round === undefined ? Symbol('request') : caller.request.traceId
}

/** Later rounds, and calls of a tool loop, belong to a request that was counted. */
function countsAsRequest({ trace, model }: LimitedCall): boolean {
  if (trace.continued === true) return false
  return model === undefined ? trace.round === undefined : (trace.round ?? 1) === 1
}

function requestLimits(call: LimitedCall, counted: boolean): Limit[] {
  const { caller, servers = [], trace } = call
  const { limits = {}, keyHash } = caller.principal
  const limit = (subject: string, most: number | undefined, key: string): Limit[] =>
    most === undefined
      ? []
      : [{ type: 'requests', subject: `${subject}: ${keyHash}`, name: `requests ${key} ${keyHash}`, most }]
  const server = servers.find((name) => limits.serverCallsPerMinute?.has(name) === true)
  return [
    ...(counted ? limit('api_key', limits.requestsPerMinute, 'key') : []),
    ...(counted
      ? namesOf(call).flatMap((name) =>
          limit('model_per_key', limits.modelRequestsPerMinute?.get(name), `model ${name}`),
        )
      : []),
    ...(server !== undefined && trace.continued !== true
      ? limit('mcp_server_per_key', limits.serverCallsPerMinute?.get(server), `server ${server}`)
      : []),
  ]
}

function tokenLimits(call: LimitedCall): Limit[] {
  const { limits = {}, keyHash } = call.caller.principal
  if (call.model === undefined) return []
  const limit = (subject: string, most: number | undefined, key: string): Limit[] =>
    most === undefined
      ? []
      : [{ type: 'tokens', subject: `${subject}: ${keyHash}`, name: `tokens ${key} ${keyHash}`, most }]
  return [
    ...limit('api_key', limits.tokensPerMinute, 'key'),
    ...namesOf(call).flatMap((name) => limit('model_per_key', limits.modelTokensPerMinute?.get(name), `model ${name}`)),
  ]
}

function namesOf({ model, meaning }: LimitedCall): readonly string[] {
  return [...new Set([model, meaning])].filter((name) => name !== undefined)
}
