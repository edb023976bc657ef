import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, message, toolCall } from '@toolgate/testing/llm-server'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { APIError } from 'openai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { claude, crossed } from './chat-models.ts'
import { clientFunction, mcp } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

const behind = new AsyncDisposableStack()
let world: ToolWorld<RawMcpServer>

const tree = {
  type: 'object',
  properties: { root: { $ref: '#/$defs/Node' } },
  $defs: { Node: { type: 'object', properties: { next: { $ref: '#/$defs/Node' } } } },
}
const tools = [
  { name: 'tree', inputSchema: tree },
  { name: 'either', inputSchema: { type: 'object', oneOf: [{ properties: { id: { type: 'string' } } }] } },
  {
    name: 'search',
    inputSchema: { type: 'object', properties: { $filter: { type: 'string' } }, required: ['$filter'] },
  },
]

beforeAll(async () => {
  world = behind.use(
    await startToolWorld(
      () =>
        startRawMcpServer((request) => {
          const { method } = request.message
          if (method === 'tools/list') return { body: resultFor(request, { tools }) }
          const found = { content: [{ type: 'text', text: 'found' }] }
          return method === 'tools/call' ? { body: resultFor(request, found) } : undefined
        }),
      { models: (llm) => [crossed(llm), claude(llm)] },
    ),
  )
})
afterAll(() => behind.disposeAsync())

const schemaOf = (name: string, body: JsonObject | undefined = world.asked[0]): unknown => {
  const offered = Array.isArray(body?.['tools']) ? body['tools'].filter(isJsonObject) : []
  const declared = offered.map((tool) => (isJsonObject(tool['function']) ? tool['function'] : tool))
  const found = declared.find((tool) => tool['name'] === name)
  return found?.['parameters'] ?? found?.['input_schema']
}

describe('schemas of tools', () => {
  verifies('schemas:per-provider', 'are sent as the provider takes them', async () => {
    world.play(completion({ content: 'ok' }))
    await world.complete()
    expect(schemaOf('srv-tree')).toEqual({
      type: 'object',
      properties: {
        root: { type: 'object', properties: { next: { type: 'object', properties: { next: { type: 'object' } } } } },
      },
    })
    expect(schemaOf('srv-either')).toEqual({ type: 'object', properties: { id: { type: 'string' } } })

    world.play(message([{ type: 'text', text: 'ok' }]))
    await world.complete({ model: 'claude' })
    expect(schemaOf('srv-tree')).toEqual(tree)
  })

  verifies('schemas:per-provider', 'of the client itself are relayed as they came', async () => {
    world.play(completion({ content: 'ok' }))
    const parameters = { $ref: '#/$defs/None', oneOf: [], odd: true }
    const own = { type: 'function', function: { name: 'own', parameters } }
    await world.complete({ tools: [...mcp(), own] })
    expect(schemaOf('own')).toEqual(parameters)
  })

  verifies(
    'schemas:per-provider',
    'name arguments as providers accept it, and the tool gets its own names',
    async () => {
      world.play(completion({ content: 'ok' }))
      await world.complete()
      const schema = schemaOf('srv-search')
      const [name = ''] = Object.keys(
        isJsonObject(schema) && isJsonObject(schema['properties']) ? schema['properties'] : {},
      )
      expect(name).toMatch(/^_filter_[0-9a-f]{8}$/)
      expect(schema).toMatchObject({ required: [name] })

      world.play(
        completion({ tool_calls: [toolCall('srv-search', { [name]: 'a', other: 1 })] }),
        completion({ content: 'ok' }),
      )
      await world.complete()
      expect(world.server.received('tools/call').at(-1)?.message['params']).toMatchObject({
        name: 'search',
        arguments: { $filter: 'a', other: 1 },
      })
    },
  )
})

describe('a strict function of a request that is crossed', () => {
  const declaredFor = async (parameters: object): Promise<JsonObject> => {
    world.play(completion({ content: 'ok' }))
    const tools = [{ type: 'function', name: 'own', strict: true, parameters }]
    await world.gateway.json('/v1/responses', { body: { model: 'crossed', input: 'go', tools } })
    const [tool] = Array.isArray(world.asked[0]?.['tools']) ? world.asked[0]['tools'].filter(isJsonObject) : []
    return isJsonObject(tool?.['function']) ? tool['function'] : {}
  }

  /** An object as OpenAI takes it: closed, and all of it required. */
  const closed = (properties: object, more: object = {}) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
    ...more,
  })
  const value = { a: { $ref: '#/$defs/Value' } }
  const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
  const texts = (count: number) => Object.fromEntries(names(count).map((name) => [name, { type: 'string' }]))
  /** A text in so many objects. */
  const nested = (levels: number): object => (levels === 0 ? { type: 'string' } : closed({ a: nested(levels - 1) }))

  verifies('schemas:per-provider', 'stays strict, with its references, where OpenAI takes it so', async () => {
    const next = { anyOf: [{ $ref: '#/$defs/Value' }, { type: 'null' }] }
    const own = closed({ ...value, n: { type: ['number', 'null'] } }, { $defs: { Value: closed({ next }) } })
    expect(await declaredFor(own)).toEqual({ name: 'own', strict: true, parameters: own })
  })

  verifies('schemas:per-provider', 'stays strict, with its constraints, up to what OpenAI takes', async () => {
    const own = closed(
      {
        mail: { type: 'string', format: 'email', pattern: '@', minLength: 3, maxLength: 90 },
        share: { type: 'number', exclusiveMinimum: 0, maximum: 1, multipleOf: 0.1 },
        list: { type: 'array', items: { $ref: '#/definitions/Choice' }, minItems: 1, maxItems: 9 },
        deep: nested(8),
      },
      { definitions: { Choice: { type: 'string', enum: names(1_000) } } },
    )
    expect(await declaredFor(own)).toEqual({ name: 'own', strict: true, parameters: own })
  })

  for (const [what, parameters] of [
    ['a map', closed({ labels: { type: 'object', additionalProperties: { type: 'string' } } })],
    ['a map in a definition', closed(value, { $defs: { Value: { type: 'object' } } })],
    ['an argument that may be left out', closed({ a: { type: 'string' } }, { required: [] })],
    ['anything', closed({ a: {} })],
    ['a list of anything', closed({ a: { type: 'array' } })],
    ['a keyword that OpenAI refuses', closed({ a: { type: 'string', not: { const: 'x' } } })],
    ['a default', closed({ a: { type: 'string', default: 'x' } })],
    ['a list without repetition', closed({ a: { type: 'array', items: { type: 'string' }, uniqueItems: true } })],
    [
      'a list that contains something',
      closed({ a: { type: 'array', items: { type: 'string' }, contains: { const: 'x' } } }),
    ],
    ['a count of properties', closed({ a: closed(texts(2), { minProperties: 1 }) })],
    ['a keyword that nobody knows', closed({ a: { type: 'string', 'x-order': 1 } })],
    ['a format that OpenAI does not know', closed({ a: { type: 'string', format: 'uri' } })],
    [
      'words beside a reference',
      closed({ a: { $ref: '#/$defs/Value', description: 'An a.' } }, { $defs: { Value: { type: 'string' } } }),
    ],
    ['more levels than ten', closed({ a: nested(9) })],
    ['more choices than a thousand', closed({ a: { type: 'string', enum: names(501) }, b: { enum: names(500) } })],
    ['more properties than five thousand', closed({ a: closed(texts(2_500)), b: closed(texts(2_499)) })],
  ] as const) {
    verifies('schemas:per-provider', `is sent as any other where OpenAI would refuse it: ${what}`, async () => {
      const { strict, parameters: sent } = await declaredFor(parameters)
      expect(strict).toBe(false)
      expect(sent).toMatchObject({ type: 'object', properties: { [Object.keys(parameters.properties)[0] ?? '']: {} } })
    })
  }
})

describe('a tool that a provider refuses', () => {
  const refused = async (model: string, json: JsonObject, status = 400) => {
    world.play({ json, status })
    const failure: unknown = await world
      .complete({ model, tools: [clientFunction('own'), ...mcp()] })
      .catch((error: unknown) => error)
    if (!(failure instanceof APIError)) throw new Error('not refused')
    return failure
  }

  verifies('schemas:per-provider', 'is named to the client', async () => {
    const openAi = {
      message: "Invalid 'tools[2].function.parameters'.",
      type: 'invalid_request_error',
      param: 'tools[2]',
    }
    expect(await refused('gpt', { error: openAi })).toMatchObject({
      status: 400,
      message: expect.stringContaining('The tool is "srv-either"'),
    })
    const anthropic = { type: 'invalid_request_error', message: 'tools.1.custom.input_schema: JSON schema is invalid.' }
    expect((await refused('claude', { type: 'error', error: anthropic })).message).toContain('The tool is "srv-tree"')
  })

  verifies('schemas:per-provider', 'is not guessed in any other failure', async () => {
    expect((await refused('gpt', { error: { message: 'tools[2] is fine' } }, 500)).message).not.toContain('srv-')
    expect((await refused('gpt', { error: { message: 'the context is too long' } })).message).not.toContain('srv-')
  })
})
