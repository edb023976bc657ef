import type { Models } from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'

/** LiteLLM gives every model this date: a list must not change from one request to the next. */
const createdSeconds = 1_677_610_602

/** `GET /v1/models`: the models a key may ask for, in OpenAI's shape. Patterns such as `openai/*` are no models. */
export function modelRoutes({ models }: { models: Pick<Models, 'list'> }) {
  const list = (context: Context<AppEnv>) => {
    const names = models.list(context.var.caller.principal).filter((name) => !name.includes('*'))
    const data = names.map((id) => ({ id, object: 'model', created: createdSeconds, owned_by: 'openai' }))
    return context.json({ object: 'list', data })
  }
  return new Hono<AppEnv>().get('/v1/models', list).get('/models', list)
}
