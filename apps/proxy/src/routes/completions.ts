import { type Models, relayStream, toEvent } from '@toolgate/llm'
import type { GuardrailSet } from '@toolgate/policies'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { takeGuardrails } from '../asked-guardrails.ts'
import { eventStream } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { answerHeaders, tellingServed } from '../middleware/answer-headers.ts'
import { readFields } from '../parse-body.ts'
import { renderOpenAiError } from '../render/openai.ts'

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const completionsBody = z
  .looseObject({ model: z.string().min(1), prompt: z.unknown(), stream: z.boolean().nullish() })
  .meta({ description: 'OpenAI’s request.' })

export interface CompletionOptions {
  readonly models: Pick<Models, 'generate' | 'stream'>
  readonly guardrails: GuardrailSet
}

/** OpenAI's older `POST /v1/completions`: relayed, with the permissions and errors of a chat completion. It knows no tools. */
export function completionRoutes({ models, guardrails }: CompletionOptions) {
  const complete = async (context: Context<AppEnv>) => {
    const asked = await readJsonObject(context)
    const { stream } = readFields(completionsBody, asked)
    const { caller, body } = takeGuardrails(guardrails, context, asked)
    const asking = { operation: 'complete', body, onServed: tellingServed(context) } as const
    if (stream !== true) return context.json(await models.generate(caller, asking))
    const bytes = await models.stream(caller, asking)
    return eventStream(relayStream(bytes, (error) => toEvent(renderOpenAiError(error).body)))
  }
  return new Hono<AppEnv>()
    .post('/v1/completions', answerHeaders(), complete)
    .post('/completions', answerHeaders(), complete)
}
