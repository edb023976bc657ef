import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import type { PreviewResult, ServerPreview } from '../stored-servers/preview.ts'
import { requireServerAdmin } from '../require-admin.ts'

/**
 * LiteLLM's `/mcp-rest/test/*`: a server is tried out before it is stored. For administrators, since it may start a command
 * and reaches addresses of the caller's choice. A server that cannot be reached is an answer and no error.
 */
export function mcpPreviewRoutes({ serverPreview }: { serverPreview: ServerPreview }) {
  return new Hono<AppEnv>()
    .post('/mcp-rest/test/connection', async (context) => {
      requireServerAdmin(context.var.caller, 'test')
      const result = await serverPreview.try(await readJsonObject(context), context.var.caller.signal)
      return context.json(result.failure === undefined ? { status: 'ok', ...warningsOf(result) } : failed(result))
    })
    .post('/mcp-rest/test/tools/list', async (context) => {
      requireServerAdmin(context.var.caller, 'test')
      const result = await serverPreview.try(await readJsonObject(context), context.var.caller.signal)
      const { tools, failure } = result
      return context.json({
        tools,
        error: failure === undefined ? null : 'connection_error',
        message: failure?.message ?? 'Successfully retrieved tools',
        ...stageOf(result),
        ...warningsOf(result),
      })
    })
}

function failed(result: PreviewResult) {
  return {
    status: 'error',
    error: true,
    message: result.failure?.message ?? '',
    ...stageOf(result),
    ...warningsOf(result),
  }
}

function stageOf({ failure }: PreviewResult) {
  return failure?.details.stage === undefined ? {} : { stage: failure.details.stage }
}

function warningsOf({ warnings }: PreviewResult) {
  return warnings.length === 0 ? {} : { warnings }
}
