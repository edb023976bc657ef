import { isJsonObject, type JsonObject, toGatewayError } from '@toolgate/core'
import type { Gateway, Health, HealthRecord, ManagedServer, ServerHealth } from '@toolgate/manager'
import { Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import type { ModelCheck, ModelHealth, ModelIdentity } from '../model-health.ts'
import type { ModelTrial } from '../model-trial.ts'
import { encodeServerHealth } from '../stored-servers/present.ts'
import { parseBody } from '../parse-body.ts'
import { requireAdmin } from '../require-admin.ts'

/**
 * How models and MCP servers are and were, for administrators: LiteLLM's `/health`, `/health/history`, `/health/latest` and
 * `/health/test_connection`. Models are asked when `/health` is asked; servers are what the background found.
 */
export interface HealthReportOptions {
  readonly gateway: Pick<Gateway, 'select'>
  readonly health: Pick<Health, 'last' | 'history'>
  readonly modelHealth: ModelHealth
  readonly tryModel: ModelTrial
}

export const healthQuery = z.object({ model: z.string().optional(), model_id: z.string().optional() })

/** `limit` at most as many as are remembered. */
export const healthHistoryQuery = z.object({
  model: z.string().optional(),
  status_filter: z.enum(['healthy', 'unhealthy', 'needs_auth', 'unknown']).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  offset: z.coerce.number().int().min(0).default(0),
})

const jsonObject = z.custom<JsonObject>(isJsonObject, 'must be a JSON object').meta({ override: { type: 'object' } })

export const testConnectionBody = z.object({
  litellm_params: jsonObject,
  /** This gateway speaks chat completions and nothing else. */
  mode: z.enum(['chat']).nullish(),
  model_info: jsonObject.nullish(),
})

export function healthReportRoutes({ gateway, health, modelHealth, tryModel }: HealthReportOptions) {
  return new Hono<AppEnv>()
    .get('/health', async (context) => {
      const { caller } = context.var
      requireAdmin(caller, context.req.path)
      const { model, model_id: modelId } = parseBody(healthQuery, context.req.query())
      const { checked, unchecked } = await modelHealth.check(caller, { model, modelId })
      const healthy = checked.filter((check) => check.healthy)
      const unhealthy = checked.filter((check) => !check.healthy)
      return context.json({
        healthy_endpoints: healthy.map(encodeEndpoint),
        unhealthy_endpoints: unhealthy.map(encodeEndpoint),
        unchecked_endpoints: unchecked.map((model) => ({ ...encodeIdentity(model), reason: model.reason })),
        healthy_count: healthy.length,
        unhealthy_count: unhealthy.length,
      })
    })
    .get('/health/history', (context) => {
      requireAdmin(context.var.caller, context.req.path)
      const { model, status_filter: status, limit, offset } = parseBody(healthHistoryQuery, context.req.query())
      const checks = modelHealth
        .history()
        .filter((check) => model === undefined || check.modelName === model)
        .filter((check) => status === undefined || (check.healthy ? 'healthy' : 'unhealthy') === status)
      const changes = health.history().filter((record) => status === undefined || record.health.status === status)
      return context.json({
        health_checks: checks.slice(offset, offset + limit).map(encodeCheck),
        total_records: checks.length,
        limit,
        offset,
        mcp_servers: changes.slice(offset, offset + limit).map(encodeRecord),
        total_mcp_records: changes.length,
      })
    })
    .get('/health/latest', (context) => {
      const { caller } = context.var
      requireAdmin(caller, context.req.path)
      const models = modelHealth.latest()
      const { servers } = gateway.select(caller)
      return context.json({
        latest_health_checks: Object.fromEntries(models.map((check) => [check.modelId, encodeCheck(check)])),
        total_models: models.length,
        mcp_servers: servers.map((server) => encodeServer(server, health.last(server))),
      })
    })
    .post('/health/test_connection', async (context) => {
      const { caller } = context.var
      requireAdmin(caller, context.req.path)
      const { litellm_params: parameters } = parseBody(testConnectionBody, await readJsonObject(context))
      return context.json(await trial(() => tryModel(parameters, caller.signal)))
    })
}

/** A model that cannot be reached is an answer here; a request that names none is an error. */
async function trial(work: () => Promise<JsonObject>): Promise<object> {
  try {
    const { model, usage } = await work()
    return { status: 'success', result: { model: model ?? null, usage: usage ?? null } }
  } catch (error) {
    const { code, message } = toGatewayError(error)
    if (code === 'INVALID_REQUEST' || code === 'CANCELLED') throw error
    return { status: 'error', result: { error: message, code } }
  }
}

function encodeIdentity({ modelId, modelName, provider, upstreamModel }: ModelIdentity) {
  return { model: `${provider}/${upstreamModel}`, model_name: modelName, model_id: modelId }
}

function encodeEndpoint({ message, latencyMs, ...check }: ModelCheck) {
  return { ...encodeIdentity(check), latency_ms: latencyMs, ...(message !== undefined && { error: message }) }
}

function encodeCheck(check: ModelCheck) {
  const { healthy, message, latencyMs, at, by } = check
  return {
    ...encodeIdentity(check),
    status: healthy ? 'healthy' : 'unhealthy',
    healthy_count: healthy ? 1 : 0,
    unhealthy_count: healthy ? 0 : 1,
    error_message: message ?? null,
    response_time_ms: latencyMs,
    checked_at: new Date(at).toISOString(),
    checked_by: by,
  }
}

function encodeRecord({ serverId, serverName, at, health }: HealthRecord) {
  return {
    server_id: serverId,
    server_name: serverName,
    at: new Date(at).toISOString(),
    ...encodeServerHealth(health),
    cause: health.cause ?? null,
  }
}

function encodeServer({ id, name }: ManagedServer, health: ServerHealth) {
  return { server_id: id, server_name: name, ...encodeServerHealth(health), cause: health.cause ?? null }
}
