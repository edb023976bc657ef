import type { Caller, JsonObject } from '@toolgate/core'
import { selectTools, takeLimits } from '@toolgate/llm'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'
import { takeGuardrails } from './asked-guardrails.ts'
import { loopCeiling, type LoopServices } from './llm-loop.ts'
import { refuseOwnKey } from './refuse-own-key.ts'

/**
 * Reads a request whose tokens are to be counted: what in it is for the gateway stays here, as where the request is answered.
 * Tools of the gateway are not listed for it, and not counted.
 */
export function readCountedRequest(
  services: Pick<LoopServices, 'guardrails' | 'live'>,
  context: Context<AppEnv>,
  asked: JsonObject,
): { caller: Caller; body: JsonObject } {
  const { caller, body: unguarded } = takeGuardrails(services.guardrails, context, asked)
  const { body: unlimited } = takeLimits(unguarded, loopCeiling(services, caller))
  const { body } = selectTools({ body: unlimited })
  refuseOwnKey(body, context.var.admission)
  return { caller, body }
}
