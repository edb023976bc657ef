import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { petDocument, type PetApi } from '@toolgate/testing/pet-api'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { recordingLog } from '../../boot.ts'
import { verifies } from '../../verifies.ts'
import { type DocumentedServer, openShelter, type Shelter } from './shelter.ts'

const at = (paths: object, more: object = {}) => ({ openapi: '3.1.0', servers: [{ url: '/' }], paths, ...more })
const takes = (reference: string) => ({
  requestBody: { content: { 'application/json': { schema: { $ref: reference } } } },
})
const component = (name: string) => ({ $ref: `#/components/parameters/${name}` })

/** The same operation in every version and notation. */
const finds = {
  operationId: 'find',
  parameters: [{ name: 'q', in: 'query', schema: { type: 'string' } }],
  responses: {},
}
const versions = ({ origin }: PetApi) => ({
  swagger: `swagger: 2.0
host: ${new URL(origin).host}
schemes: [http]
basePath: /v1
info: {title: t, version: 1}
paths: {/a: {get: {operationId: find, parameters: [{name: q, in: query, type: string}], responses: {}}}}`,
  three_zero: { ...at({ '/a': { get: finds } }), openapi: '3.0.3', servers: [{ url: `${origin}/v1` }] },
  three_one: at({ '/a': { get: finds } }, { servers: [{ url: '/{v}', variables: { v: { default: 'v1' } } }] }),
})

/** A few lines of YAML that would be 20^9 items. */
const bomb = Array.from({ length: 9 }, (_, level) => {
  const item = level === 0 ? 'x' : `*b${level - 1}`
  return `b${level}: &b${level} [${Array.from({ length: 20 }, () => item).join(', ')}]`
}).join('\n')

const broken: Record<string, [reason: string, server: DocumentedServer]> = {
  no_yaml: ['is neither JSON nor YAML', { document: 'neither: [json' }],
  no_openapi: ['says neither', { document: { hello: 'world' } }],
  bomb: ['is neither JSON nor YAML', { document: bomb }],
  deep: ['nested too deep', { document: `{"openapi":"3.1.0","x":${'['.repeat(5_000)}${']'.repeat(5_000)}}` }],
  away: ['at another origin', { document: at({}, { servers: [{ url: 'https://elsewhere.example' }] }) }],
  many: [
    'more than 2000 operations',
    { document: at(Object.fromEntries(Array.from({ length: 2_100 }, (_, count) => [`/p${count}`, { get: {} }]))) },
  ],
  no_file: ['file not found', { settings: { spec_path: '/nowhere/openapi.json', url: 'http://127.0.0.1:9' } }],
  no_host: ['cannot be reached', { settings: { spec_path: 'http://127.0.0.1:9/openapi.json' } }],
}

const layers = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, level) => [
      `L${level}`,
      {
        type: 'object',
        properties: Object.fromEntries(
          ['a', 'b', 'c'].map((key) => [key, { $ref: `#/components/schemas/L${level + 1}` }]),
        ),
      },
    ]),
  )

const named = (operationId: string) => ({ get: { operationId } })

const documented = (api: PetApi): Record<string, DocumentedServer> => ({
  pets: { document: petDocument() },
  elsewhere: {
    document: at(
      {
        '/far': { post: takes(`${api.origin}/other.json#/A`) },
        '/file': { get: { parameters: [{ $ref: 'file:///etc/passwd' }] } },
        '/loop': { get: { parameters: [component('A')] } },
        '/none': { get: { parameters: [component('None')] } },
        '/away': { get: { servers: [{ url: 'https://elsewhere.example' }] } },
        '/near': { get: { servers: [{ url: '/v9' }] } },
      },
      { components: { parameters: { A: component('B'), B: component('A') } } },
    ),
  },
  names: {
    document: at({
      '/a': named('same name'),
      '/b': named('Same Name'),
      '/c': named('x'.repeat(200)),
      '/d': named('ä/ö'),
    }),
  },
  layered: {
    document: at(
      { '/a': { post: { operationId: 'deep', ...takes('#/components/schemas/L0') } } },
      { components: { schemas: { ...layers(30), L30: { type: 'string' } } } },
    ),
  },
  changing: { document: at({ '/one': { get: { operationId: 'one' } } }) },
  ...Object.fromEntries(Object.entries(broken).map(([name, [, server]]) => [name, server])),
})

const log = recordingLog()
let shelter: Shelter
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openapi-'))
  shelter = await openShelter(
    (api) => {
      const written = Object.entries(versions(api)).map(([name, document]): [string, DocumentedServer] => {
        writeFileSync(join(folder, name), typeof document === 'string' ? document : JSON.stringify(document))
        return [`${name}_file`, { settings: { spec_path: join(folder, name), url: `${api.origin}/v1` } }]
      })
      const published = Object.entries(versions(api)).map(([name, document]) => [name, { document }])
      return { ...documented(api), ...Object.fromEntries(published), ...Object.fromEntries(written) }
    },
    { log },
  )
})
afterAll(() => shelter[Symbol.asyncDispose]())

describe('the tools of an OpenAPI document', () => {
  verifies('openapi:faithful', 'have its names, parameters, hints and references', async () => {
    const tools = await shelter.tools('pets')
    expect(Object.keys(tools)).toEqual([
      'list_pets',
      'addpet',
      'get__pets__petid_',
      'replacepet',
      'removepet',
      'addphoto',
    ])
    expect(tools['list_pets']).toMatchObject({
      title: 'Lists the pets',
      description: 'Lists the pets\n\nThe youngest first.',
      annotations: { readOnlyHint: true },
      inputSchema: { properties: { limit: { type: 'integer', maximum: 50, description: 'At most' } } },
      outputSchema: {
        type: 'object',
        properties: { pets: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } } },
      },
    })
    expect(tools['replacepet']).toMatchObject({ annotations: { readOnlyHint: false, idempotentHint: true } })
    expect(tools['removepet']).toMatchObject({ annotations: { destructiveHint: true, idempotentHint: true } })
    // Written in place, but for what contains itself; what the API alone sets is not asked for.
    expect(tools['addpet']?.['inputSchema']).toMatchObject({
      required: ['body'],
      properties: {
        body: {
          required: ['name'],
          properties: {
            name: { type: 'string' },
            owner: { properties: { name: { type: 'string' } } },
            parents: { items: { $ref: '#/$defs/Pet' } },
          },
        },
      },
      $defs: { Pet: { properties: { parents: { items: { $ref: '#/$defs/Pet' } } } } },
    })
    expect(JSON.stringify(tools)).not.toContain('#/components')
    expect(JSON.stringify(tools['addpet'])).not.toContain('"id"')
  })

  const sources = ['swagger', 'three_zero', 'three_one'].flatMap((name) => [name, `${name}_file`])
  verifies(
    'openapi:faithful',
    'are the same from 2.0, 3.0 and 3.1, in JSON or YAML, of an address or a file',
    async () => {
      for (const source of sources) {
        const { find } = await shelter.tools(source)
        expect(find?.['inputSchema']).toEqual({
          type: 'object',
          properties: { q: { type: 'string' } },
          additionalProperties: false,
        })
        await shelter.call(`${source}/find`, { q: `of ${source}` })
        expect(shelter.sent()?.path).toBe(`/v1/a?q=of%20${source}`)
      }
    },
  )

  verifies('openapi:faithful', 'of an unusable document are a reason and no empty list', async () => {
    const { _meta: meta } = await shelter.gateway.json('/mcp-rest/tools/list')
    for (const [server_name, [reason]] of Object.entries(broken)) {
      expect(Object(meta)['toolgate/outcomes']).toContainEqual(
        expect.objectContaining({
          server_name,
          status: server_name.startsWith('no_file') || server_name === 'no_host' ? 'unreachable' : 'protocol_error',
          message: expect.stringContaining(reason),
        }),
      )
    }
    await shelter.call('away/any', {}, { status: 502 })
  })

  verifies('openapi:faithful', 'that refer elsewhere are left out, said so, and never fetched', async () => {
    expect(Object.keys(await shelter.tools('elsewhere'))).toEqual(['get__near'])
    await shelter.call('elsewhere/get__near')
    expect(shelter.sent()?.path).toBe('/v9/near')
    const { diagnostics } = await shelter.gateway.json('/v1/mcp/server/elsewhere')
    expect(diagnostics).toMatchObject({
      leftOut: [
        expect.stringMatching(/^POST \/far refers to another document/),
        expect.stringMatching(/^GET \/file refers to another document/),
        expect.stringMatching(/^GET \/loop .*leads back to itself/),
        expect.stringMatching(/^GET \/none .*does not hold/),
        expect.stringMatching(/^GET \/away .*at another origin/),
      ],
    })
    expect(log.lines.filter((line) => line.includes('GET /loop'))).toHaveLength(1)
    expect(shelter.api.requests.filter(({ path }) => path.includes('other.json'))).toEqual([])
  })

  verifies('openapi:faithful', 'have names that are valid, distinct and stable', async () => {
    const names = Object.keys(await shelter.tools('names'))
    expect(names).toEqual([
      'same_name',
      expect.stringMatching(/^same_name_[0-9a-f]{8}$/),
      expect.stringMatching(/^x{87}_[0-9a-f]{8}$/),
      '___',
    ])
    await shelter.call(`names/${names[1]}`)
    expect(shelter.sent()?.path).toBe('/b')
  })

  verifies('openapi:faithful', 'stay small where schemas repeat each other without end', async () => {
    const { deep } = await shelter.tools('layered')
    expect(JSON.stringify(deep).length).toBeLessThan(1_000_000)
    await shelter.call('layered/deep', { body: { a: 1 } })
    expect(shelter.sent()?.body).toBe('{"a":1}')
  })

  verifies('openapi:faithful', 'follow the document when it is read again, and outlive a broken one', async () => {
    const { api, gateway } = shelter
    const refresh = () => gateway.request('/v1/mcp/server/changing/refresh', { method: 'POST' })
    await shelter.call('changing/one')
    api.publish('neither: [json', 'changing')
    await refresh()
    await shelter.call('changing/one')
    expect(shelter.sent()?.path).toBe('/one')
    api.publish(at({ '/two': { get: { operationId: 'two' } } }), 'changing')
    await refresh()
    expect(Object.keys(await shelter.tools('changing'))).toEqual(['two'])
    await shelter.call('changing/one', {}, { status: 403 })
  })
})
