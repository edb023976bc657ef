import { GatewayError } from '@toolgate/core'
import type { Models } from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'

/** LiteLLM gives every model this date: a list must not change from one request to the next. */
const createdSeconds = 1_677_610_602

/**
 * `GET /v1/models`, and of one `GET /v1/models/{id}`: the models a key may ask for, in OpenAI's shape. Patterns such as `openai/*`
 * are no models; what they serve is asked for all the same.
 */
export function modelRoutes({ models }: { models: Pick<Models, 'list' | 'serves'> }) {
  const list = (context: Context<AppEnv>) => {
    const names = models.list(context.var.caller.principal).filter((name) => !name.includes('*'))
    return context.json({ object: 'list', data: names.map(asModel) })
  }
  const one = (context: Context<AppEnv>) => {
    const id = context.req.param('id') ?? ''
    if (!id.includes('*') && models.serves(context.var.caller.principal, id)) return context.json(asModel(id))
    throw new GatewayError('RECORD_NOT_FOUND', 'There is no such model for this key. GET /v1/models lists them.')
  }
  return new Hono<AppEnv>().get('/v1/models', list).get('/models', list).get('/v1/models/:id{.+}', one)
}

function asModel(id: string) {
  return { id, object: 'model', created: createdSeconds, owned_by: 'openai' }
}
