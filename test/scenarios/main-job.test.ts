import { everythingStdio } from '@toolgate/testing/mcp-everything'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { mcp, reportOf, toParams } from './chat-world.ts'

/** What a stranger has after one command: a real server over stdio, the offline model, and a key that they make. */
describe('the main job, on the default configuration', () => {
  let gateway: Booted
  beforeAll(async () => {
    gateway = await boot({
      config: {
        mcp_servers: { everything: { ...everythingStdio } },
        model_list: [{ model_name: 'mock', litellm_params: { model: 'mock/tool-caller' } }],
      },
    })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const client = (apiKey: string) =>
    new OpenAI({ apiKey, baseURL: 'http://toolgate.test/v1', fetch: gateway.fetch, maxRetries: 0 })
  const asking = (words: string) => toParams({ model: 'mock', messages: [{ role: 'user', content: words }] })

  verifies(
    'chat:executes-tools',
    'a chat completion whose model asks for a tool ends with the result of that tool',
    async () => {
      const answer = await gateway.json('/v1/chat/completions', {
        body: {
          model: 'mock',
          tools: [{ type: 'mcp', server_url: 'litellm_proxy', require_approval: 'never' }],
          messages: [{ role: 'user', content: 'everything-echo {"message": "hello"}' }],
        },
      })
      expect(answer).toMatchObject({ choices: [{ finish_reason: 'stop', message: { content: 'Echo: hello' } }] })
    },
  )

  verifies('chat:executes-tools', 'works with the OpenAI SDK and a virtual key, streaming and not', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['everything'] } })
    const request = asking('get-sum {"a": 20, "b": 22}')
    const answer = await client(key).chat.completions.create(request)
    expect(answer.choices[0]?.message.content).toBe('The sum of 20 and 22 is 42.')
    const streamed = client(key).chat.completions.stream({ ...request, stream: true })
    expect(await streamed.finalContent()).toBe('The sum of 20 and 22 is 42.')
  })

  verifies('chat:named-tools-resolve', 'a key without a grant has no tools, and its model is not asked', async () => {
    const key = await gateway.makeKey()
    const request = client(key).chat.completions.create(asking('everything-echo {"message": "hello"}'))
    await expect(request).rejects.toMatchObject({ status: 400, type: 'mcp_tools_unresolved' })
  })

  verifies('chat:executes-tools', 'a key that adds its tools on its own needs no tools in the request', async () => {
    const key = await gateway.makeKey({ auto_tools: true, object_permission: { mcp_servers: ['everything'] } })
    const { tools: _tools, ...plain } = asking('echo {"message": "no tools asked for"}')
    const answer = await client(key).chat.completions.create(plain)
    expect(answer.choices[0]?.message.content).toBe('Echo: no tools asked for')
    expect(reportOf(answer.choices[0]?.message)['mcp_call_results']).toHaveLength(1)
  })

  verifies('chat:approval-per-call', 'without a word on approval the call is returned to the client', async () => {
    const { tools: _tools, ...plain } = asking('everything-echo {"message": "hello"}')
    const answer = await client(gateway.masterKey).chat.completions.create(
      toParams({ ...plain, tools: mcp({ require_approval: undefined }) }),
    )
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ function: { name: 'everything-echo', arguments: '{"message":"hello"}' } }] },
    })
  })
})
