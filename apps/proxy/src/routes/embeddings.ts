import type { Models } from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { answerHeaders, tellingServed } from '../middleware/answer-headers.ts'
import { readFields } from '../parse-body.ts'

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const embeddingsBody = z
  .looseObject({ model: z.string().min(1), input: z.union([z.string(), z.array(z.unknown()).min(1)]) })
  .meta({ description: 'OpenAI’s request.' })

/** `POST /v1/embeddings`: relayed to its model, with the permissions, the routing and the errors of a chat completion. */
export function embeddingRoutes({ models }: { models: Pick<Models, 'embed'> }) {
  const embed = async (context: Context<AppEnv>) => {
    const body = await readJsonObject(context)
    readFields(embeddingsBody, body)
    return context.json(await models.embed(context.var.caller, { body, onServed: tellingServed(context) }))
  }
  return new Hono<AppEnv>().post('/v1/embeddings', answerHeaders(), embed).post('/embeddings', answerHeaders(), embed)
}
