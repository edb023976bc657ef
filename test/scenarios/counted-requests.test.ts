import { completion, message } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { z } from 'zod'
import { verifies } from '../verifies.ts'
import { claude, crossed, gemini } from './chat-models.ts'
import { clientFunction, mcp } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** What a provider is told that only counts, and of servers that it is to call itself. */
const behind = new AsyncDisposableStack()
const card = '4111 1111 1111 1111'
let world: ToolWorld<RawMcpServer>
beforeAll(async () => {
  world = behind.use(
    await startToolWorld(startRawMcpServer, {
      config: { guardrails: [{ guardrail_name: 'pii', litellm_params: { guardrail: 'pii', mode: 'pre_call' } }] },
      models: (llm) => [claude(llm), gemini(llm), crossed(llm)],
    }),
  )
})
afterAll(() => behind.disposeAsync())

const messages = { model: 'claude', max_tokens: 9, messages: [{ role: 'user', content: card }] }
const contents = [{ role: 'user', parts: [{ text: card }] }]
/** Of Google's own words for a server, at this address. */
const googleServer = (url: string) => [
  {
    mcpServers: [{ name: 's', streamableHttpTransport: { url, headers: { authorization: world.gateway.masterKey } } }],
  },
]
const told = () => JSON.stringify(world.llm.requests.at(-1))

describe('a request whose tokens are counted', () => {
  verifies('messages:count-tokens', 'tells Anthropic nothing that is for the gateway', async () => {
    world.play({ json: { input_tokens: 42 } })
    const own = clientFunction('own')
    const tools = [...mcp({ headers: { 'x-litellm-api-key': `Bearer ${world.gateway.masterKey}` } }), own]
    const body = { ...messages, tools, guardrails: ['pii'], mcp_limits: { max_rounds: 2 } }
    const response = await world.gateway.request('/v1/messages/count_tokens', { body })
    expect(await response.json()).toEqual({ input_tokens: 42 })
    expect(response.headers.get('x-litellm-applied-guardrails')).toBe('pii')
    expect(world.asked).toEqual([
      {
        ...messages,
        model: 'claude-fake',
        messages: [{ role: 'user', content: '<CREDIT_CARD>' }],
        tools: [own],
      },
    ])
    expect(told()).not.toContain(world.gateway.masterKey)
  })

  verifies('gemini:count-tokens', 'tells Google nothing that is for the gateway', async () => {
    world.play({ json: { totalTokens: 42 } })
    const body = { contents, tools: googleServer('litellm_proxy/mcp/srv'), guardrails: ['pii'] }
    expect((await world.gateway.request('/v1beta/models/gemini:countTokens', { body })).status).toBe(200)
    expect(world.asked).toEqual([{ contents: [{ role: 'user', parts: [{ text: '<CREDIT_CARD>' }] }] }])
    expect(told()).not.toContain(world.gateway.masterKey)
  })
})

describe('a request whose tokens nobody counts', () => {
  /** Bytes of a file, as many as a camera makes. */
  const bytes = 'A'.repeat(6_500_000)
  const forms: Record<string, (said: string) => [string, object]> = {
    messages: (said) => [
      '/v1/messages/count_tokens',
      {
        model: 'crossed',
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: said },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: bytes } },
            ],
          },
        ],
      },
    ],
    gemini: (said) => ['/v1beta/models/crossed:countTokens', { contents: geminiContents(said) }],
    'a whole request of Gemini': (said) => [
      '/v1beta/models/crossed:countTokens',
      { generateContentRequest: { model: 'models/crossed', contents: geminiContents(said) } },
    ],
  }
  const geminiContents = (said: string) => [
    { role: 'user', parts: [{ text: said }, { inlineData: { mimeType: 'image/png', data: bytes } }] },
  ]
  const asking = (content: string) => ({ model: 'crossed', messages: [{ role: 'user', content }] })
  const countOf = async ([path, body]: [string, object]) => {
    const response = await world.gateway.request(path, { body })
    const { input_tokens: ofMessages, totalTokens = ofMessages } = z
      .object({ input_tokens: z.number().optional(), totalTokens: z.number().optional() })
      .parse(await response.json())
    return totalTokens
  }

  for (const [name, form] of Object.entries(forms)) {
    verifies(
      'limits:left-streams',
      `counts a large file as about a thousand, and words as words: ${name}`,
      async () => {
        const short = await countOf(form('hello'))
        expect(short).toBeGreaterThan(900)
        expect(short).toBeLessThan(1_200)
        // However they begin, words are words.
        const long = await countOf(form(`data:text/plain;base64, ${'some words '.repeat(4_000)}`))
        expect((long ?? 0) - (short ?? 0)).toBeGreaterThan(10_000)
      },
    )
  }

  for (const [what, line] of [
    ['of names', 'x_y\n'],
    ['of paths, as Windows ends lines', '/usr/lib/some_path\r\n'],
    ['of ids', '0b2f6e0a-6c0e-4a53-9d3e-1f4f6c9a7b21\n'],
    ['of hashes', `${'0af1'.repeat(16)}\n`],
    ['of texts longer than a line', `${'x'.repeat(100)}\n`],
    ['with the line ends of old', 'x_y\r'],
    ['of nothing', '\n'],
  ] as const) {
    verifies('limits:left-streams', `counts a list as what it says, not as a file: ${what}`, async () => {
      const said = line.repeat(Math.ceil(60_000 / line.length))
      expect(await countOf(['/v1/messages/count_tokens', asking(said)])).toBeGreaterThan(14_000)
    })
  }

  for (const [what, file] of [
    ['in lines as MIME has them', `${'Zm9v'.repeat(19)}\r\n`.repeat(1_000)],
    ['in lines, the last of them shorter', `${`${'Zm9v'.repeat(19)}\n`.repeat(1_000)}Zg==\n`],
    ['in an address, in lines of any length', `data:image/png;base64,${`${'Zm9v'.repeat(16)}\n`.repeat(1_000)}`],
  ] as const) {
    verifies('limits:left-streams', `counts a file as a file: ${what}`, async () => {
      expect(await countOf(['/v1/messages/count_tokens', asking(file)])).toBeLessThan(1_200)
    })
  }
})

describe('a server that the provider is to call', () => {
  verifies(
    'identity:gateway-key-stays',
    'is not told the key of the gateway, in whose words ever it is named',
    async () => {
      const { masterKey } = world.gateway
      world.play(completion({ content: 'never' }))
      const url = 'https://gateway.test/mcp'
      const anthropics = { mcp_servers: [{ type: 'url', url, name: 's', authorization_token: masterKey }] }
      const googles = { contents, tools: googleServer(url) }
      const openAis = mcp({ server_url: url, headers: { authorization: `Bearer ${masterKey}` } })
      const requests: [string, object][] = [
        ['/v1/messages', { ...messages, ...anthropics }],
        ['/v1/messages/count_tokens', { ...messages, ...anthropics }],
        ['/v1beta/models/gemini:generateContent', googles],
        ['/v1beta/models/gemini:countTokens', googles],
        ['/v1beta/models/gemini:countTokens', { generateContentRequest: googles }],
        ['/v1/responses', { model: 'gpt', input: 'go', tools: openAis }],
      ]
      for (const [path, body] of requests) {
        const response = await world.gateway.request(path, { body })
        expect([path, response.status, await response.text()]).toEqual([
          path,
          400,
          expect.stringContaining('litellm_proxy'),
        ])
      }
      expect(world.asked).toEqual([])
    },
  )

  verifies('messages:relayed', 'is named to the provider with a key of its own', async () => {
    world.play(message([{ type: 'text', text: 'ok' }]))
    const servers = [{ type: 'url', url: 'https://other.test/mcp', name: 's', authorization_token: 'of-its-own' }]
    const response = await world.gateway.request('/v1/messages', { body: { ...messages, mcp_servers: servers } })
    expect(response.status).toBe(200)
    expect(world.asked[0]).toMatchObject({ mcp_servers: servers })
  })
})
