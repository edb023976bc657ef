import { isJsonObject, type JsonObject } from '@toolgate/core'
import { generateKeySchema } from '@toolgate/auth'
import { documentedRoutes, isPublicPath } from '@toolgate/proxy'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse } from './oauth-browser.ts'

const schemaObject = z.looseObject({
  type: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
})
const operationSchema = z.looseObject({
  summary: z.string().min(1),
  security: z.array(z.looseObject({})).optional(),
  parameters: z
    .array(z.looseObject({ in: z.enum(['query', 'path', 'header']), name: z.string(), schema: z.looseObject({}) }))
    .optional(),
  requestBody: z
    .object({
      required: z.boolean(),
      content: z.object({ 'application/json': z.object({ schema: schemaObject }) }),
    })
    .optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string() })),
})
const documentSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  info: z.looseObject({ title: z.literal('toolgate'), version: z.string().regex(/^\d+\.\d+\.\d+/) }),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['delete', 'get', 'options', 'post', 'put']), operationSchema),
  ),
  components: z.looseObject({ securitySchemes: z.record(z.string(), z.looseObject({ type: z.string() })) }),
})

let gateway: Booted
let raw: JsonObject
let document: z.output<typeof documentSchema>
beforeAll(async () => {
  gateway = await boot({
    config: {
      mcp_servers: {},
      model_list: [{ model_name: 'mock', litellm_params: { model: 'mock/tool-caller' } }],
    },
  })
  const answer: unknown = await gateway.json('/openapi.json', { key: null })
  if (!isJsonObject(answer)) throw new Error('no document')
  raw = answer
  document = documentSchema.parse(answer)
})
afterAll(() => gateway[Symbol.asyncDispose]())

function operations() {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation === undefined
        ? []
        : [{ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation }],
    ),
  )
}

describe('/openapi.json', () => {
  verifies('docs:openapi-from-schemas', 'names every route that is mounted, and no other', () => {
    // What is behind a wildcard are documents of others' standards, of which there are none yet.
    const mounted = gateway.app.routes
      .filter(({ method, path }) => method !== 'ALL' && !path.includes('*'))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`)
    expect(mounted.length).toBeGreaterThan(20)
    expect([...new Set(mounted)].toSorted()).toEqual(
      operations()
        .map(({ name }) => name)
        .toSorted(),
    )
    expect([...documentedRoutes].toSorted()).toEqual([...new Set(mounted)].toSorted())
  })

  it('is a document whose references all lead somewhere and whose operations say what they need', () => {
    const references = [...JSON.stringify(raw).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference = '']) => reference)
    for (const reference of references) {
      const found = reference
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>((value, part) => (isJsonObject(value) ? value[part] : undefined), raw)
      expect([reference, found]).toEqual([reference, expect.any(Object)])
    }
    const schemes = Object.keys(document.components.securitySchemes)
    for (const { name, path, operation } of operations()) {
      expect([name, operation.security]).toEqual([name, isPublicPath(path) ? [] : undefined])
    }
    expect(raw['security']).toEqual(schemes.map((scheme) => ({ [scheme]: [] })))
  })

  verifies('docs:openapi-from-schemas', 'holds every field of the bodies that the gateway checks', async () => {
    const bodyOf = (wanted: string) =>
      operations().find(({ name }) => name === wanted)?.operation.requestBody?.content['application/json'].schema
    expect(Object.keys(bodyOf('POST /key/generate')?.properties ?? {}).toSorted()).toEqual(
      Object.keys(generateKeySchema.shape).toSorted(),
    )
    expect(bodyOf('POST /mcp-rest/tools/call')).toMatchObject({
      type: 'object',
      properties: { server_id: { type: 'string' }, name: { type: 'string' }, arguments: expect.any(Object) },
      required: expect.arrayContaining(['server_id', 'name']),
    })
    expect(bodyOf('POST /mcp/tools/call')?.required).toEqual(['name'])
    const query = operations()
      .find(({ name }) => name === 'GET /key/list')
      ?.operation.parameters?.map(({ name }) => name)
    expect(query).toEqual(expect.arrayContaining(['page', 'size', 'user_id', 'key_alias', 'return_full_object']))
  })

  verifies(
    'docs:openapi-from-schemas',
    'calls a field required exactly where a request without it is refused',
    async () => {
      const examples: JsonObject = {
        server_id: 'none',
        name: 'none',
        key: 'sk-none-of-this-gateway',
        model: 'mock',
        messages: [{ role: 'user', content: 'hello' }],
      }
      const withBody = operations().filter(({ operation }) => operation.requestBody !== undefined)
      expect(withBody.length).toBeGreaterThan(7)
      for (const { name, method, path, operation } of withBody) {
        const required = operation.requestBody?.content['application/json'].schema.required ?? []
        for (const field of required) {
          const others = Object.fromEntries(
            required.filter((other) => other !== field).map((other) => [other, examples[other]]),
          )
          const { status } = await gateway.request(path, { method, body: others })
          expect([name, field, status === 400 || status === 422]).toEqual([name, field, true])
        }
      }
    },
  )

  verifies(
    'docs:openapi-from-schemas',
    'says of the authorization server where it has a client come later',
    async () => {
      await using here = await boot({ clock: fakeClock(), env: { PROXY_BASE_URL: base } })
      const nobody = 'client_0000000000000000'
      const told = new Map(operations().map(({ name, operation }) => [name, operation.responses]))
      const heard = async (name: string, answer: Response | Promise<Response>) => {
        const { status, headers } = await answer
        const documented = told.get(name)?.[String(status)]
        expect([name, status, documented === undefined]).toEqual([name, expect.toBeOneOf([429, 503]), false])
        expect([name, headers.get('retry-after')]).toEqual([name, expect.stringMatching(/^\d+$/)])
        expect([name, Object.keys(Object(documented?.['headers']))]).toEqual([name, ['retry-after']])
        return status
      }
      const form = (path: string, fields: Record<string, string>, key: string | null = null) =>
        here.request(path, {
          method: 'POST',
          key,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams(fields).toString(),
        })
      const stranger = { client_id: nobody, token: 'x', grant_type: 'refresh_token', refresh_token: 'x' }
      const authorize = () => here.request(authorizeUrl(nobody).href, { key: null })
      const register = () => here.request('/register', { key: null, body: { redirect_uris: ['http://127.0.0.1/x'] } })
      const page = await browse(here).open('/connect/any')
      const tryKey = async (browser = browse(here)) => {
        const shown = await browser.open('/connect/any')
        return browser.send(shown, { key: 'sk-none-of-this-gateway-1' })
      }
      expect(page.status).toBe(200)

      for (let times = 0; times < 30; times += 1) await register()
      for (let times = 0; times < 60; times += 1) await authorize()
      for (let times = 0; times < 20; times += 1) await tryKey()
      const { status, headers } = await tryKey()
      expect(await heard('POST /connect', new Response(null, { status, headers }))).toBe(429)
      expect(await heard('POST /register', register())).toBe(429)
      expect(await heard('GET /authorize', authorize())).toBe(429)
      expect(await heard('POST /token', form('/token', stranger))).toBe(429)
      expect(await heard('POST /revoke', form('/revoke', stranger))).toBe(429)

      const database = await openTestDatabase()
      await using there = await boot({ database, env: { PROXY_BASE_URL: base } })
      await database.close()
      const away = async (path: string, fields: Record<string, string>, key: string | null = null) =>
        there.request(path, {
          method: 'POST',
          key,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams(fields).toString(),
        })
      expect(await heard('GET /authorize', there.request(authorizeUrl(nobody).href, { key: null }))).toBe(503)
      expect(await heard('POST /token', away('/token', stranger))).toBe(503)
      expect(await heard('POST /revoke', away('/revoke', stranger))).toBe(503)
      const metadata = { redirect_uris: ['http://127.0.0.1/x'] }
      expect(await heard('POST /register', there.request('/register', { key: null, body: metadata }))).toBe(503)
      const unknown = { token: `tgat_${'x'.repeat(43)}` }
      expect(await heard('POST /introspect', away('/introspect', unknown, there.masterKey))).toBe(503)
    },
  )
})
