import type { Models } from '@toolgate/llm'
import type { GuardrailSet } from '@toolgate/policies'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { takeGuardrails } from '../asked-guardrails.ts'
import { readJsonObject } from '../json-body.ts'
import { answerHeaders, tellingServed } from '../middleware/answer-headers.ts'
import { readFields } from '../parse-body.ts'

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const embeddingsBody = z
  .looseObject({ model: z.string().min(1), input: z.union([z.string(), z.array(z.unknown()).min(1)]) })
  .meta({ description: 'OpenAI’s request.' })

export interface EmbeddingOptions {
  readonly models: Pick<Models, 'embed'>
  readonly guardrails: GuardrailSet
}

/** `POST /v1/embeddings`: relayed to its model, with the permissions, the routing and the errors of a chat completion. */
export function embeddingRoutes({ models, guardrails }: EmbeddingOptions) {
  const embed = async (context: Context<AppEnv>) => {
    const asked = await readJsonObject(context)
    readFields(embeddingsBody, asked)
    const { caller, body } = takeGuardrails(guardrails, context, asked)
    return context.json(await models.embed(caller, { body, onServed: tellingServed(context) }))
  }
  return new Hono<AppEnv>().post('/v1/embeddings', answerHeaders(), embed).post('/embeddings', answerHeaders(), embed)
}
