import { blockKeySchema, deleteKeysSchema, gatewayKeyHeader, generateKeySchema, listKeysSchema } from '@toolgate/auth'
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { chatBody } from './routes/chat.ts'
import { serverToolCall, toolCall } from './routes/mcp-rest.ts'
import { version } from './version.ts'

/**
 * `/openapi.json`, from the schemas that check the requests. Every route stands in here; `openapi.test.ts` compares the
 * two lists. Answers that relay an upstream are described no further than we know them.
 */
interface Operation {
  readonly summary: string
  readonly body?: z.ZodType
  readonly query?: z.ZodObject
  readonly isPublic?: boolean
  readonly contentType?: string
}

const oneServer = z.object({ server_id: z.string().optional(), mcp_server_name: z.string().optional() })
const chat: Operation = {
  summary: 'Chat completion; tools of MCP servers are executed until the model answers',
  body: chatBody,
}
const models: Operation = { summary: 'Models the key may ask for' }
const toolList: Operation = { summary: 'Tools the key may call, with their server', query: oneServer }

const operations: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'Name, version and where to read on', isPublic: true },
  'GET /openapi.json': { summary: 'This document', isPublic: true },
  'GET /health/liveliness': { summary: 'The process answers', isPublic: true },
  'GET /health/liveness': { summary: 'The process answers', isPublic: true },
  'GET /health/readiness': { summary: 'The process may be given work', isPublic: true },
  'GET /health/backlog': { summary: 'Requests under way' },
  'GET /metrics': { summary: 'Prometheus metrics', contentType: 'text/plain' },
  'GET /mcp-rest/tools/list': toolList,
  'POST /mcp-rest/tools/call': { summary: 'Call a tool of a server', body: serverToolCall },
  'GET /mcp/tools/list': toolList,
  'POST /mcp/tools/call': { summary: 'Call a tool by a name that one permitted server has', body: toolCall },
  'GET /v1/mcp/server': { summary: 'Servers the key may use' },
  'GET /v1/mcp/server/health': { summary: 'Probe servers now', query: z.object({ server_ids: z.string().optional() }) },
  'GET /v1/mcp/tools': { summary: 'Tools under their public names' },
  'GET /v1/models': models,
  'GET /models': models,
  'POST /v1/chat/completions': chat,
  'POST /chat/completions': chat,
  'POST /key/generate': {
    summary: 'Make a virtual key; the answer is the only one that holds it',
    body: generateKeySchema,
  },
  'GET /key/info': {
    summary: 'A key; without `key` the caller’s own',
    query: z.object({ key: z.string().optional() }),
  },
  'GET /key/list': { summary: 'Keys, filtered and paged', query: listKeysSchema },
  'POST /key/delete': { summary: 'Delete keys by key, hash or alias', body: deleteKeysSchema },
  'POST /key/block': { summary: 'Block a key', body: blockKeySchema },
  'POST /key/unblock': { summary: 'Unblock a key', body: blockKeySchema },
}

/** `METHOD path` of everything that is documented. */
export const documentedRoutes: readonly string[] = Object.keys(operations)

export function openApiDocument() {
  const paths: ZodOpenApiPathsObject = {}
  for (const [route, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = route.split(' ')
    paths[path] = { ...paths[path], [method.toLowerCase()]: describe(operation) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'toolgate', version, description: 'MCP gateway and LLM proxy.' },
    security: [{ gatewayKey: [] }, { bearer: [] }],
    components: {
      securitySchemes: {
        gatewayKey: { type: 'apiKey', in: 'header', name: gatewayKeyHeader },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
    paths,
  })
}

function describe({
  summary,
  body,
  query,
  isPublic = false,
  contentType = 'application/json',
}: Operation): ZodOpenApiOperationObject {
  return {
    summary,
    ...(isPublic && { security: [] }),
    ...(query !== undefined && { requestParams: { query } }),
    ...(body !== undefined && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: { 200: { description: 'Answer', content: { [contentType]: {} } }, default: { description: 'Error' } },
  }
}
