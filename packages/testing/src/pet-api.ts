import { type HttpBindings, serve } from '@hono/node-server'
import { Hono } from 'hono'

/** One request as the API received it. */
export interface ApiRequest {
  readonly method: string
  /** As it stood on the wire: nothing is decoded or normalised. */
  readonly path: string
  readonly headers: Headers
  readonly body: string
  /** Headers and body as one text, for canaries. */
  readonly raw: string
}

export type ApiDecision = (request: ApiRequest) => Response | undefined

export interface PetApi extends AsyncDisposable {
  /** Without path: `http://127.0.0.1:…`. */
  readonly origin: string
  /** Requests of the API, without those for its document. */
  readonly requests: readonly ApiRequest[]
  readonly documentRequests: readonly ApiRequest[]
  /** From now on `/documents/{name}` is this; an object is sent as JSON. Until then it is {@link petDocument}. */
  publish(document: object | string, name?: string): void
  /** Where it is. */
  documentUrl(name?: string): string
  /** What to answer; `undefined` is what was received, as JSON. */
  answer(decide: ApiDecision): void
}

/** An HTTP API of a pet shelter on loopback, with its document beside it. */
export async function startPetApi(): Promise<PetApi> {
  const requests: ApiRequest[] = []
  const documentRequests: ApiRequest[] = []
  const published = new Map<string, object | string>()
  let decide: ApiDecision = () => undefined

  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('*', async (context) => {
    const { incoming } = context.env
    const body = await context.req.text()
    const request: ApiRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: new Headers(context.req.raw.headers),
      body,
      raw: `${incoming.method} ${incoming.url}\n${incoming.rawHeaders.join('\n')}\n\n${body}`,
    }
    if (request.path.startsWith('/documents/')) {
      documentRequests.push(request)
      const document = published.get(request.path) ?? petDocument()
      return context.body(typeof document === 'string' ? document : JSON.stringify(document))
    }
    requests.push(request)
    const { method, path } = request
    return decide(request) ?? context.json({ method, path, body })
  })
  const listening = Promise.withResolvers<number>()
  const http = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => listening.resolve(port))
  const origin = `http://127.0.0.1:${await listening.promise}`
  return {
    origin,
    requests,
    documentRequests,
    publish(document, name = 'pets') {
      published.set(`/documents/${name}`, document)
    },
    documentUrl: (name = 'pets') => `${origin}/documents/${name}`,
    answer(next) {
      decide = next
    },
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in http) http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

const petId = { name: 'petId', in: 'path', required: true, schema: { type: 'string' } }
const json = (schema: object) => ({ content: { 'application/json': { schema } } })
const ok = { 200: { description: 'ok' } }

/** What the shelter publishes: OpenAPI 3.1, with references, one of them circular, and every place of a parameter. */
export function petDocument(): object {
  return {
    openapi: '3.1.0',
    info: { title: 'Pet shelter', version: '2.1' },
    servers: [{ url: '/v1' }],
    paths: {
      '/pets': {
        get: {
          operationId: 'List Pets',
          summary: 'Lists the pets',
          description: 'The youngest first.',
          parameters: [
            { name: 'tags', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
            { name: 'ids', in: 'query', style: 'form', explode: false, schema: { type: 'array' } },
            { name: 'filter', in: 'query', style: 'deepObject', schema: { type: 'object' } },
            { name: 'limit', in: 'query', description: 'At most', schema: { type: 'integer', maximum: 50 } },
            { $ref: '#/components/parameters/Tenant' },
            { name: 'Authorization', in: 'header', schema: { type: 'string' } },
            { name: 'lang', in: 'cookie', schema: { type: 'string' } },
          ],
          responses: { 200: { description: 'ok', ...json({ $ref: '#/components/schemas/PetList' }) } },
        },
        post: {
          operationId: 'addPet',
          requestBody: { required: true, ...json({ $ref: '#/components/schemas/Pet' }) },
          responses: { 201: { description: 'made' } },
        },
      },
      '/pets/{petId}': {
        parameters: [petId],
        get: { responses: ok },
        put: { operationId: 'replacePet', requestBody: json({ $ref: '#/components/schemas/Pet' }), responses: ok },
        delete: { operationId: 'removePet', responses: { 204: { description: 'gone' } } },
      },
      '/pets/{petId}/photo': {
        parameters: [petId],
        post: {
          operationId: 'addPhoto',
          requestBody: {
            content: {
              'multipart/form-data': {
                schema: {
                  type: 'object',
                  properties: { file: { type: 'string', format: 'binary' }, title: { type: 'string' } },
                },
              },
            },
          },
          responses: ok,
        },
      },
    },
    components: {
      parameters: { Tenant: { name: 'X-Tenant', in: 'header', schema: { type: 'string' } } },
      schemas: {
        Pet: {
          type: 'object',
          required: ['id', 'name'],
          properties: {
            id: { type: 'integer', readOnly: true },
            name: { type: 'string' },
            owner: { $ref: '#/components/schemas/Owner' },
            parents: { type: 'array', items: { $ref: '#/components/schemas/Pet' } },
          },
        },
        Owner: { type: 'object', properties: { name: { type: 'string' } } },
        PetList: {
          type: 'object',
          properties: { pets: { type: 'array', items: { $ref: '#/components/schemas/Owner' } } },
        },
      },
    },
  }
}
