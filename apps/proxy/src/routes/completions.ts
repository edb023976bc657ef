import { type Models, relayStream, toEvent } from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { eventStream } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { readFields } from '../parse-body.ts'
import { renderOpenAiError } from '../render/openai.ts'

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const completionsBody = z
  .looseObject({ model: z.string().min(1), prompt: z.unknown(), stream: z.boolean().nullish() })
  .meta({ description: 'OpenAI’s request.' })

/** OpenAI's older `POST /v1/completions`: relayed, with the permissions and errors of a chat completion. It knows no tools. */
export function completionRoutes({ models }: { models: Pick<Models, 'generate' | 'stream'> }) {
  const complete = async (context: Context<AppEnv>) => {
    const { caller } = context.var
    const body = await readJsonObject(context)
    const { stream } = readFields(completionsBody, body)
    const asking = { operation: 'complete', body } as const
    if (stream !== true) return context.json(await models.generate(caller, asking))
    const bytes = await models.stream(caller, asking)
    return eventStream(relayStream(bytes, (error) => toEvent(renderOpenAiError(error).body)))
  }
  return new Hono<AppEnv>().post('/v1/completions', complete).post('/completions', complete)
}
