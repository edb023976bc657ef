import { completion } from '@toolgate/testing/llm-server'
import { describedTool, manyTools, offersTools } from '@toolgate/testing/mcp-catalog'
import { startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, offeredIn, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
const log = recordingLog()
const coffee = describedTool('brew', 'Brew a cup of strong coffee with fresh beans.', ['strength'])
let world: ChatWorld
let office: object

beforeAll(async () => {
  const servers = behind.use(await startFaultyMcpServers())
  const tools = [...manyTools('office', 30), coffee]
  office = { office: { url: servers.host('office', offersTools('office', tools), 'everything') } }
  const env = {
    DEFAULT_MCP_SEMANTIC_FILTER_TOP_K: '12',
    DEFAULT_MCP_SEMANTIC_FILTER_SIMILARITY_THRESHOLD: '0.1',
    MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH: '40',
  }
  world = behind.use(await startChatWorld({ log, env, servers: office }))
})
afterAll(() => behind.disposeAsync())

async function filtering(filter: object, guardrails: object[] = []): Promise<void> {
  const { origin } = world.llm
  const model = (name: string, path: string) => ({
    model_name: name,
    litellm_params: { model: `openai/${name}`, api_base: `${origin}/${path}`, api_key: 'sk-fake' },
  })
  await world.gateway.reload({
    mcp_servers: office,
    guardrails,
    model_list: [
      model('gpt', 'v1'),
      model('broken', 'broken'),
      { model_name: 'words', litellm_params: { model: 'mock/embeddings', input_cost_per_token: 0.5 } },
    ],
    litellm_settings: { mcp_semantic_tool_filter: { enabled: true, embedding_model: 'words', ...filter } },
  })
}

const says = (content: string) => ({ messages: [{ role: 'user', content }] })

async function ask(body: object, key?: string) {
  world.play(completion({ content: 'done' }))
  const response = await world.gateway.request('/v1/chat/completions', {
    body: { model: 'gpt', tools: mcp(), ...body },
    ...(key !== undefined && { key }),
  })
  expect(response.status).toBe(200)
  await response.text()
  return {
    offered: offeredIn(world.asked.at(-1)),
    filter: response.headers.get('x-litellm-semantic-filter'),
    kept: response.headers.get('x-litellm-semantic-filter-tools'),
    by: response.headers.get('x-toolgate-tool-filter'),
  }
}

describe('the semantic filter', () => {
  verifies('filter:nearest-tools', 'is off unless it is switched on', async () => {
    await filtering({ enabled: false })
    const asked = await ask(says('please brew strong coffee'))
    expect(asked).toMatchObject({ filter: null, kept: null, by: null })
    expect(asked.offered).toHaveLength(31)
  })

  verifies('filter:nearest-tools', 'offers the tools nearest to what the user said last, streamed or not', async () => {
    await filtering({ top_k: 3 })
    for (const stream of [false, true]) {
      const asked = await ask({ ...says('please brew strong coffee'), stream })
      expect(asked.offered).toContain('office-brew')
      expect(asked.kept).toMatch(/^office-brew/)
      expect(asked).toMatchObject({ by: 'meaning', filter: `31->${asked.offered.length}` })
      expect(asked.offered.length).toBeLessThanOrEqual(3)
    }
    const talk = [
      { role: 'user', content: 'brew strong coffee' },
      { role: 'assistant', content: 'done' },
      { role: 'user', content: [{ type: 'text', text: 'merge the branch' }] },
    ]
    expect((await ask({ messages: talk })).offered).not.toContain('office-brew')
  })

  verifies('filter:nearest-tools', 'leaves out what is not near enough, and clips its header', async () => {
    await filtering({ similarity_threshold: 0.99 })
    expect(await ask(says('zeppelins'))).toEqual({ offered: [], filter: '31->0', kept: '', by: 'meaning' })
    expect((await ask({ ...says('zeppelins'), tool_choice: 'required' })).offered).toHaveLength(1)
    await filtering({ similarity_threshold: -1 })
    const asked = await ask(says('zeppelins'))
    expect(asked.offered).toHaveLength(12)
    expect(asked.kept).toMatch(/^.{37}\.\.\.$/)
  })

  verifies('filter:nearest-tools', 'takes away no tool that the request names or keeps from it', async () => {
    await filtering({ top_k: 1 })
    const named = await ask({ ...says('brew coffee'), tools: mcp({ allowed_tools: ['office-brew'] }) })
    expect(named.filter).toBeNull()
    const whole = await ask({ ...says('brew coffee'), tools: mcp({ semantic_filter: false }) })
    expect(whole.offered).toHaveLength(31)
    const forced = whole.offered[0] ?? ''
    const chosen = await ask({ ...says('brew coffee'), tool_choice: { type: 'function', function: { name: forced } } })
    expect(chosen.offered).toEqual([forced, 'office-brew'])
  })

  verifies(
    'filter:nearest-tools',
    'embeds a definition once, on the gateway’s account, and what a user says on the key’s',
    async () => {
      await filtering({ top_k: 1 })
      const before = await world.rows(1, ({ method }) => method === 'embeddings')
      const permissions = { models: ['gpt'], object_permission: { mcp_servers: ['office'] } }
      const key = await world.gateway.makeKey({ ...permissions, rpm_limit: 2, max_budget: 1_000, key_alias: 'barista' })
      for (const content of ['brew coffee', 'strong coffee']) expect((await ask(says(content), key)).by).toBe('meaning')
      const all = await world.rows(before.length + 2, ({ method }) => method === 'embeddings')
      const [shared, own] = [true, false].map((isShared) =>
        all.filter(({ principalId }) => (principalId === 'toolgate') === isShared),
      )
      // One request for every tool, and one for each thing that was said.
      expect(shared?.map(({ promptTokens }) => (promptTokens ?? 0) > 100)).toEqual([true])
      const said = own?.filter(({ keyAlias }) => keyAlias === 'barista') ?? []
      expect(said).toHaveLength(2)
      const dollars = said.reduce((sum, { spend, promptTokens }) => {
        expect(spend).toBe((promptTokens ?? 0) * 0.5)
        return sum + (spend ?? 0)
      }, 0)
      expect(dollars).toBeGreaterThan(0)
      await vi.waitFor(
        async () => expect(await world.gateway.json('/key/info', { key })).toMatchObject({ info: { spend: dollars } }),
        { timeout: 10_000, interval: 100 },
      )
    },
  )

  verifies(
    'filter:nearest-tools',
    'goes on by meaning for others after somebody said what may not be said',
    async () => {
      const words = { guardrail: 'litellm_content_filter', mode: 'pre_call', blocked_words: [{ keyword: 'zeppelin' }] }
      await filtering({ top_k: 1 }, [{ guardrail_name: 'words', litellm_params: { ...words, default_on: true } }])
      const body = { model: 'gpt', tools: mcp(), ...says('a zeppelin') }
      const denied = await world.gateway.request('/v1/chat/completions', { body })
      expect(denied.status).toBe(400)
      expect((await ask(says('brew coffee'))).by).toBe('meaning')
    },
  )

  verifies('filter:nearest-tools', 'goes by words, and says so, where no embedding can be had', async () => {
    await filtering({ embedding_model: 'broken', top_k: 2 })
    expect(await ask(says('brewing coffee'))).toEqual({
      offered: ['office-brew'],
      filter: '31->1',
      kept: 'office-brew',
      by: 'words',
    })
    expect(log.lines.filter((line) => line.includes('tools are filtered by words'))).toHaveLength(1)
    const asked = world.llm.requests.length
    expect((await ask(says('咖啡'))).offered).toHaveLength(31)
    expect(world.llm.requests.slice(asked).map(({ path }) => path)).toEqual(['/v1/chat/completions'])
  })
})
