import type { AuthorizedCall, JsonObject, Layer, TracedCall } from '@toolgate/core'
import type { KeyLimiter, LimitedCall } from './key-limiter.ts'
import type { KeySpend } from './key-spend.ts'

/** What both rings hold keys to. */
export interface Limiting {
  readonly limiter: KeyLimiter
  readonly spend: Pick<KeySpend, 'requireBudget'>
}

/** The limits and the budget of a key, around its requests to models. A key without any costs a look at it. */
export function limitModelCalls<
  Call extends TracedCall & { readonly model: string; readonly meaning: string; readonly signal: AbortSignal },
  Answer,
>(limiting: Limiting): Layer<Call, Answer> {
  return (call, next) => {
    if (call.caller.principal.limits === undefined) return next(call)
    return limited(limiting, { ...call, signal: call.signal }, () => next(call))
  }
}

/** The same around requests to MCP servers. */
export function limitCalls(limiting: Limiting): Layer<AuthorizedCall, JsonObject> {
  return (call, next) => {
    if (call.caller.principal.limits === undefined) return next(call)
    const { server, kind } = call.target
    const servers = kind === 'tool' ? [server.alias, server.name, server.id].filter((name) => name !== undefined) : []
    const { caller, trace } = call
    return limited(limiting, { caller, trace, servers, signal: caller.signal }, () => next(call))
  }
}

async function limited<Answer>(
  { limiter, spend }: Limiting,
  call: LimitedCall & { readonly signal: AbortSignal },
  run: () => Promise<Answer>,
): Promise<Answer> {
  const leave = limiter.enter(call)
  try {
    const { limits, keyHash } = call.caller.principal
    const { continued, closing } = call.trace
    // Another round of a call was let through before, and the last word of a tool loop is its answer.
    const exempt = continued === true || closing === true
    if (limits?.hasBudget === true && !exempt) await spend.requireBudget(keyHash, call.signal)
    return await run()
  } finally {
    leave()
  }
}
