import { everythingStdio } from '@toolgate/testing/mcp-everything'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

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
})
