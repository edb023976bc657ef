import { GatewayError } from '@toolgate/core'
import type { ToolResults } from '@toolgate/llm'
import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'

/** Results of tools that were cut before a model saw them, whole, for the key whose request called the tool. */
export function toolResultRoutes({ toolResults }: { toolResults: ToolResults }) {
  return new Hono<AppEnv>().get('/v1/tool_results/:id', async (context) => {
    const text = await toolResults.find(context.var.caller.principal.id, context.req.param('id'))
    if (text !== undefined) return context.text(text)
    throw new GatewayError('RECORD_NOT_FOUND', 'No such result for this key. Results are kept for an hour.')
  })
}
