import { gatewayKeyHeader } from '@toolgate/auth'
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { healthOperations } from './health.ts'
import { keyOperations } from './keys.ts'
import { oauthOperations } from './oauth.ts'
import type { Operation } from './operation.ts'
import { serverOperations } from './servers.ts'
import { chatBody } from '../routes/chat.ts'
import { messagesBody } from '../routes/messages.ts'
import { responsesBody } from '../routes/responses.ts'
import { completionsBody } from '../routes/completions.ts'
import { geminiBody } from '../routes/gemini.ts'
import { embeddingsBody } from '../routes/embeddings.ts'
import { serverToolCall, toolCall } from '../routes/mcp-rest.ts'
import { version } from '../version.ts'

/**
 * `/openapi.json`, from the schemas that check the requests. Every route stands in here; `openapi.test.ts` compares the
 * two lists. Answers that relay an upstream are described no further than we know them.
 */
const oneServer = z.object({
  server_id: z.string().optional(),
  mcp_server_name: z.string().optional(),
  toolset_name: z.string().optional(),
})
const chat: Operation = {
  summary: 'Chat completion; tools of MCP servers are executed until the model answers',
  body: chatBody,
}
const responses: Operation = {
  summary: 'OpenAI’s Responses; tools of MCP servers are executed until the model answers',
  body: responsesBody,
}
const completions: Operation = { summary: 'A text, continued', body: completionsBody }
const embeddings: Operation = { summary: 'Vectors for texts', body: embeddingsBody }
const models: Operation = { summary: 'Models the key may ask for' }
const model: Operation = { summary: 'One of them', path: z.object({ id: z.string() }) }
const toolList: Operation = { summary: 'Tools the key may call, with their server', query: oneServer }
const gemini: Operation = {
  summary: 'Google’s Gemini API; the path ends in {model}:generateContent, :streamGenerateContent or :countTokens',
  path: z.object({ target: z.string() }),
  body: geminiBody,
}

const operations: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'Name, version and where to read on', isPublic: true },
  'GET /openapi.json': { summary: 'This document', isPublic: true },
  ...healthOperations,
  'GET /metrics': { summary: 'Prometheus metrics', contentType: 'text/plain' },
  'POST /config/reload': { summary: 'Put what changed in the configuration file in force' },
  'GET /mcp-rest/tools/list': toolList,
  'POST /mcp-rest/tools/call': { summary: 'Call a tool of a server', body: serverToolCall },
  'GET /mcp/enabled': { summary: 'Whether MCP is spoken here' },
  'GET /mcp/tools/list': toolList,
  'POST /mcp/tools/call': { summary: 'Call a tool by a name that one permitted server has', body: toolCall },
  ...serverOperations,
  'GET /v1/models': models,
  'GET /models': models,
  'GET /v1/models/{id}': model,
  'POST /v1/chat/completions': chat,
  'POST /chat/completions': chat,
  'POST /v1/responses': responses,
  'POST /responses': responses,
  'GET /v1/responses': { summary: 'Tells clients that try a WebSocket to use POST' },
  'GET /responses': { summary: 'Tells clients that try a WebSocket to use POST' },
  'GET /v1/responses/{id}': { summary: 'A stored response of this key', path: z.object({ id: z.string() }) },
  'DELETE /v1/responses/{id}': { summary: 'Delete a stored response of this key', path: z.object({ id: z.string() }) },
  'POST /v1/messages': {
    summary: 'Anthropic’s Messages; tools of MCP servers are executed until the model answers',
    body: messagesBody,
  },
  'POST /v1/messages/count_tokens': { summary: 'Tokens of a request in Anthropic’s dialect', body: messagesBody },
  'GET /v1beta/models': { summary: 'Models the key may ask for, as Google lists them' },
  'POST /v1beta/models/{target}': gemini,
  'POST /v1/models/{target}': gemini,
  'GET /v1/tool_results/{id}': {
    summary: 'The whole result of a tool that was cut before a model saw it',
    path: z.object({ id: z.string() }),
    contentType: 'text/plain',
  },
  'POST /v1/completions': completions,
  'POST /completions': completions,
  'POST /v1/embeddings': embeddings,
  'POST /embeddings': embeddings,
  ...keyOperations,
  ...oauthOperations,
}

const secondsToWait = z.string().meta({ description: 'Seconds to wait' })

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
  bodyOptional = false,
  query,
  path,
  isPublic = false,
  contentType = 'application/json',
  later = {},
}: Operation): ZodOpenApiOperationObject {
  return {
    summary,
    ...(isPublic && { security: [] }),
    ...((query !== undefined || path !== undefined) && {
      requestParams: { ...(query !== undefined && { query }), ...(path !== undefined && { path }) },
    }),
    ...(body !== undefined && {
      requestBody: { required: !bodyOptional, content: { 'application/json': { schema: body } } },
    }),
    responses: {
      200: { description: 'Answer', content: { [contentType]: {} } },
      ...Object.fromEntries(
        Object.entries(later).map(([status, description]) => [
          status,
          { description, headers: z.object({ 'retry-after': secondsToWait }), content: { [contentType]: {} } },
        ]),
      ),
      default: { description: 'Error' },
    },
  }
}
