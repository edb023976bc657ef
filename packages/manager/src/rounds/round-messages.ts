import { isErrorCode, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { z } from 'zod'

const object = z.custom<JsonObject>(isJsonObject)
const value = z.custom<JsonValue>((given) => given !== undefined)

/** About one round of a call, which `ask` names. */
const roundMessage = z.discriminatedUnion('kind', [
  /** Whoever has the parked call is to go on with it. */
  z.object({
    kind: z.literal('round'),
    ask: z.string(),
    parked: z.string(),
    principalId: z.string(),
    responses: object,
    capabilities: object,
    logLevel: z.string().optional(),
    progressToken: value.optional(),
  }),
  /** Whoever has the trace of a call that was put off is to hand it over. */
  z.object({ kind: z.literal('trace'), ask: z.string(), callId: z.string() }),
  z.object({ kind: z.literal('traced'), ask: z.string(), startedAt: z.number(), spentMs: z.number().optional() }),
  /** It is being gone on with. Said again while it is. */
  z.object({ kind: z.literal('taken'), ask: z.string() }),
  z.object({ kind: z.literal('said'), ask: z.string(), method: z.string(), params: object.optional() }),
  /** The client left the round. */
  z.object({ kind: z.literal('left'), ask: z.string() }),
  z.object({ kind: z.literal('result'), ask: z.string(), result: object, era: z.enum(['legacy', 'modern']) }),
  z.object({
    kind: z.literal('asked'),
    ask: z.string(),
    requests: z.array(z.tuple([z.string(), z.object({ method: z.string(), params: object })])),
  }),
  z.object({
    kind: z.literal('failed'),
    ask: z.string(),
    code: z.string().refine(isErrorCode),
    message: z.string(),
    server: z.string().optional(),
    upstream: z.object({ code: z.number(), message: z.string(), data: value.optional() }).optional(),
    missing: object.optional(),
  }),
])

export type RoundMessage = z.output<typeof roundMessage>

export type RoundMessageOf<Kind extends RoundMessage['kind']> = Extract<RoundMessage, { kind: Kind }>

/** Another version of this program may say more: what is not understood is nothing. */
export function readRoundMessage(text: string): RoundMessage | undefined {
  try {
    return roundMessage.safeParse(JSON.parse(text)).data
  } catch {
    // Not of this program.
    return undefined
  }
}
