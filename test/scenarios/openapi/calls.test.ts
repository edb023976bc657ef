import { petDocument, type PetApi } from '@toolgate/testing/pet-api'
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../../verifies.ts'
import { type DocumentedServer, openShelter, type Shelter } from './shelter.ts'

/** A document that asks callers for everything that is not theirs to say. */
const greedy = {
  openapi: '3.1.0',
  paths: {
    '/pets': {
      get: {
        operationId: 'pets',
        parameters: [
          ...['Authorization', 'X-Api-Key', 'Cookie', 'Host', 'X-Forwarded-For', 'Content-Length'].map((name) => ({
            name,
            in: 'header',
          })),
          { name: 'X-Static', in: 'header' },
          { name: 'X-Free', in: 'header' },
          { name: 'session', in: 'cookie' },
          { name: 'lang', in: 'cookie' },
          { name: 'spread', in: 'query' },
          { name: 'key', in: 'query' },
        ],
      },
    },
  },
}

const keyed = (scheme: object) => ({
  openapi: '3.1.0',
  servers: [{ url: '/' }],
  security: [{ key: [] }],
  paths: { '/a': { get: { operationId: 'a', parameters: [{ name: 'token', in: 'query' }] } } },
  components: { securitySchemes: { key: { type: 'apiKey', ...scheme } } },
})
const apiKey = { auth_type: 'api_key', authentication_token: 'of-the-operator' }

const documented = ({ origin }: PetApi): Record<string, DocumentedServer> => ({
  pets: { document: petDocument(), settings: { auth_type: 'bearer_token', authentication_token: 'the-secret-token' } },
  greedy: {
    document: greedy,
    settings: {
      url: `${origin}/v1?key=of-the-operator`,
      auth_type: 'bearer_token',
      authentication_token: 'of-the-operator',
      static_headers: { 'X-Static': 'of-the-operator', cookie: 'session=of-the-operator' },
    },
  },
  in_header: { document: keyed({ in: 'header', name: 'X-Pet-Key' }), settings: apiKey },
  in_query: { document: keyed({ in: 'query', name: 'token' }), settings: apiKey },
  in_cookie: { document: keyed({ in: 'cookie', name: 'pet' }), settings: apiKey },
  nowhere: { document: { ...keyed({}), security: [] }, settings: apiKey },
  oauth: {
    document: petDocument(),
    settings: {
      auth_type: 'oauth2',
      token_url: `${origin}/token`,
      client_id: 'toolgate',
      client_secret: 'the-client-secret',
    },
  },
  personal: { document: petDocument(), settings: { auth_type: 'true_passthrough' } },
  limited: {
    document: petDocument(),
    settings: { allowed_tools: ['list_pets'], allowed_params: { list_pets: ['limit'] } },
  },
})

let shelter: Shelter
beforeAll(async () => {
  shelter = await openShelter(documented)
})
afterAll(() => shelter[Symbol.asyncDispose]())
afterEach(() => shelter.api.answer(() => undefined))

const textOf = ({ content }: Record<string, unknown>) => JSON.stringify(content)
const headersSent = () => Object.fromEntries(shelter.sent()?.headers ?? [])

describe('a call of an operation', () => {
  verifies('openapi:faithful', 'puts every argument where the document has it', async () => {
    await shelter.call('pets/list_pets', {
      tags: ['a&b', 'c'],
      ids: [1, 2],
      filter: { age: { min: 2 }, kind: 'cat' },
      limit: 5,
      'X-Tenant': 'north',
      lang: 'de; x=y',
    })
    expect(shelter.sent()?.path).toBe('/v1/pets?tags=a%26b&tags=c&ids=1,2&filter[age][min]=2&filter[kind]=cat&limit=5')
    expect(headersSent()).toMatchObject({ 'x-tenant': 'north', cookie: 'lang=de%3B%20x%3Dy' })

    const answer = await shelter.call('pets/addpet', { body: { name: 'Rex', parents: [{ name: 'Ada' }] } })
    expect(shelter.sent()).toMatchObject({ method: 'POST', body: '{"name":"Rex","parents":[{"name":"Ada"}]}' })
    expect(headersSent()['content-type']).toBe('application/json')
    expect(answer).toMatchObject({ structuredContent: { method: 'POST', path: '/v1/pets' } })

    const file = Buffer.from('bytes\n').toString('base64')
    await shelter.call('pets/addphoto', { petId: 'a b', body: { file, title: 'Rex' } })
    expect(shelter.sent()?.path).toBe('/v1/pets/a%20b/photo')
    expect(shelter.sent()?.body).toMatch(/name="file"; filename="file"[\s\S]*bytes\n[\s\S]*name="title"\r\n\r\nRex/)
  })

  verifies('openapi:faithful', 'cannot leave its place in the path, whatever the arguments hold', async () => {
    const before = shelter.api.requests.length
    for (const petId of ['..', '.', '', '\ud800']) {
      const answer = await shelter.call('pets/removepet', { petId })
      expect(answer['isError']).toBe(true)
      expect(textOf(answer)).toMatch(/must not be|well-formed/)
    }
    expect(shelter.api.requests).toHaveLength(before)
    for (const [petId, path] of [
      ['../admin', '/v1/pets/..%2Fadmin'],
      ['a/b', '/v1/pets/a%2Fb'],
      ['1?x=2#y', '/v1/pets/1%3Fx%3D2%23y'],
      ['%2e%2e', '/v1/pets/%252e%252e'],
      ['..\\admin', '/v1/pets/..%5Cadmin'],
      ['a\r\nHost: evil', '/v1/pets/a%0D%0AHost%3A%20evil'],
    ]) {
      await shelter.call('pets/removepet', { petId })
      expect(shelter.sent()?.path).toBe(path)
    }
  })

  verifies('openapi:faithful', 'cannot touch a credential or forge a header', async () => {
    const { pets } = await shelter.tools('greedy')
    expect(Object.keys(Object(pets?.['inputSchema']).properties)).toEqual([
      'spread',
      'key',
      'X-Static',
      'X-Free',
      'session',
      'lang',
    ])
    const before = shelter.api.requests.length
    expect(textOf(await shelter.call('greedy/pets', { Authorization: 'Bearer mine' }))).toContain('is not known here')
    expect(textOf(await shelter.call('greedy/pets', { 'X-Free': 'a\r\nx-evil: 1' }))).toContain('no header can carry')
    expect(shelter.api.requests).toHaveLength(before)

    const spread = { key: 'mine', 'k%65y': 'mine' }
    await shelter.call('greedy/pets', { 'X-Static': 'mine', session: 'mine', key: 'mine', spread, lang: 'de' })
    expect(headersSent()).toMatchObject({
      authorization: 'Bearer of-the-operator',
      'x-static': 'of-the-operator',
      cookie: 'lang=de; session=of-the-operator',
    })
    expect(new URLSearchParams(shelter.sent()?.path.split('?')[1]).getAll('key')).toEqual(['of-the-operator'])
  })

  verifies(
    'openapi:faithful',
    'carries an API key where the document wants it, and X-API-Key where it says nothing',
    async () => {
      await shelter.call('in_header/a')
      expect(headersSent()).toMatchObject({ 'x-pet-key': 'of-the-operator' })
      expect(headersSent()).not.toHaveProperty('x-api-key')
      await shelter.call('in_query/a', { token: 'mine' })
      expect(shelter.sent()?.path).toBe('/a?token=of-the-operator')
      await shelter.call('in_cookie/a')
      expect(headersSent()).toMatchObject({ cookie: 'pet=of-the-operator' })
      await shelter.call('nowhere/a')
      expect(headersSent()).toMatchObject({ 'x-api-key': 'of-the-operator' })
      for (const { headers } of shelter.api.documentRequests) expect(headers.has('x-api-key')).toBe(false)
    },
  )

  verifies('openapi:faithful', 'goes out with the credentials of any server, and again after a 401', async () => {
    const tokens: string[] = []
    shelter.api.answer(({ path, headers }) => {
      const token = `token-${tokens.length + 1}`
      if (path === '/token') return Response.json({ access_token: tokens[tokens.push(token) - 1], expires_in: 60 })
      return headers.get('authorization') === 'Bearer token-2' ? undefined : new Response(null, { status: 401 })
    })
    expect(await shelter.call('oauth/list_pets')).toMatchObject({ structuredContent: { path: '/v1/pets' } })
    expect(tokens).toEqual(['token-1', 'token-2'])
    const refused = await shelter.call('pets/list_pets', {}, { status: 502 })
    expect(refused).toMatchObject({ detail: { error: 'upstream_credential_rejected', server: 'pets' } })

    await shelter.call('personal/list_pets', {}, { status: 401 })
    shelter.api.answer(() => undefined)
    await shelter.call('personal/list_pets', {}, { headers: { authorization: 'Bearer mine' } })
    expect(headersSent()).toMatchObject({ authorization: 'Bearer mine' })
  })

  verifies('openapi:faithful', 'keeps to the tools and parameters that the operator allows', async () => {
    expect(Object.keys(await shelter.tools('limited'))).toEqual(['list_pets'])
    await shelter.call('limited/removepet', { petId: '1' }, { status: 403 })
    await shelter.call('limited/list_pets', { tags: ['a'] }, { status: 403 })
    await shelter.call('limited/list_pets', { limit: 1 })
  })

  verifies('openapi:faithful', 'that the API answers with an error is a result with status and body', async () => {
    const { api } = shelter
    const remove = (options?: object) => shelter.call('pets/removepet', { petId: '1' }, options)
    api.answer(({ headers }) => new Response(`no pet for ${headers.get('authorization')}`, { status: 404 }))
    expect(await remove()).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: 'HTTP 404\nno pet for [redacted]' }],
    })
    api.answer(() => new Response(null, { status: 204 }))
    expect(await remove()).toMatchObject({ content: [{ text: 'HTTP 204' }] })
    api.answer(() => new Response(new Uint8Array([1, 0, 2]), { headers: { 'content-type': 'image/png' } }))
    expect(await remove()).toMatchObject({ content: [{ type: 'image', mimeType: 'image/png', data: 'AQAC' }] })
    api.answer(() => new Response(null, { status: 302, headers: { location: 'http://127.0.0.1:9/elsewhere' } }))
    expect(await remove({ status: 502 })).toMatchObject({
      detail: { error: 'upstream_protocol_error', server: 'pets' },
    })
    const moved = new Response(null, { status: 301, headers: { location: '/v1/moved' } })
    api.answer(({ path }) => (path.endsWith('/moved') ? undefined : moved))
    await shelter.call('pets/list_pets')
    expect(shelter.sent()?.path).toBe('/v1/moved')
  })
})
