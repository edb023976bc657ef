import { completion } from '@toolgate/testing/llm-server'
import { manyTools, offersTools } from '@toolgate/testing/mcp-catalog'
import { startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { afterAll, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { mcp, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
afterAll(() => behind.disposeAsync())

verifies('guardrails:models', 'hold for what the semantic filter asks, also those that a request names', async () => {
  const servers = behind.use(await startFaultyMcpServers())
  const office = servers.host('office', offersTools('office', manyTools('office', 30)), 'everything')
  const world = behind.use(
    await startChatWorld({
      servers: { office: { url: office } },
      config: {
        guardrails: [{ guardrail_name: 'pii', litellm_params: { guardrail: 'pii', mode: 'pre_call' } }],
        litellm_settings: { mcp_semantic_tool_filter: { enabled: true, embedding_model: 'gpt' } },
      },
    }),
  )
  world.play(completion({ content: 'done' }))
  const messages = [{ role: 'user', content: 'write to ann.lee@example.com' }]
  const response = await world.gateway.request('/v1/chat/completions', {
    body: { model: 'gpt', tools: mcp(), messages, guardrails: ['pii'] },
  })
  expect(await response.text()).toContain('done')
  expect(world.asked.some((body) => 'input' in body)).toBe(true)
  expect(JSON.stringify(world.asked)).not.toContain('ann.lee')
})
