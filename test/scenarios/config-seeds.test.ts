import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { everythingStdio } from '@toolgate/testing/mcp-everything'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

const seed = (name: string) => readFile(new URL(`../seeds/${name}`, import.meta.url), 'utf8')

const seedKey = 'sk-key-of-the-seed'
const env = {
  ANTHROPIC_API_KEY: 'sk-ant-of-this-test',
  LITELLM_VIRTUAL_KEY_TEST: seedKey,
  DATABASE_URL: 'postgres://user:password@database/litellm',
  SECRET: 'client-secret',
}

describe('a configuration of the seeds, word for word,', () => {
  const blocks = [
    ['001-configuration.json.txt', 'protected_tools', 'unreachable'],
    ['003-current-configuration.yaml', 'db_main', 'unreachable'],
    ['003-transport-sse.yaml', 'db_main', 'unreachable'],
    ['003-transport-http.yaml', 'monitoring', 'needs_auth'],
    ['003-transport-stdio.yaml', 'local_tools', 'unreachable'],
  ] as const
  for (const [name, server, status] of blocks) {
    verifies('config:seeds', `is a whole gateway that says what its absent server lacks: ${name}`, async () => {
      await using gateway = await boot({ config: await seed(name), env })
      expect(await gateway.json('/mcp-rest/tools/list')).toMatchObject({
        error: 'partial_failure',
        tools: [],
        _meta: {
          'toolgate/outcomes': [{ server_name: server, status, message: expect.stringContaining(`"${server}"`) }],
        },
      })
      await gateway.json('/health/readiness', { key: null })
    })
  }
})

describe('a configuration of the seeds, its server at hand,', () => {
  verifies('config:seeds', 'lets the virtual key of 003 list and call its server, and no other key', async () => {
    await using server = await startSseMcpServer()
    const config = (await seed('003-current-configuration.yaml')).replace('http://mcp-postgres:8080/sse', server.url)
    await using gateway = await boot({ config, env })
    const { tools } = await gateway.json('/mcp-rest/tools/list', { key: seedKey })
    expect(tools).toMatchObject([{ name: 'echo', mcp_info: { server_name: 'db_main' } }, {}, {}, {}, {}, {}])
    const body = { server_id: 'db_main', name: 'echo', arguments: { message: 'select 1' } }
    expect(await gateway.json('/mcp-rest/tools/call', { key: seedKey, body })).toMatchObject({
      content: [{ text: 'select 1' }],
    })
    // As its clients send it: one header, a bare name.
    const bare = { name: 'echo', arguments: { message: 'select 2' } }
    const asked = { key: null, headers: { 'x-litellm-key': seedKey }, body: bare }
    expect(await gateway.json('/mcp/tools/call', asked)).toMatchObject({ content: [{ text: 'select 2' }] })
    expect(await gateway.json('/v1/models', { key: seedKey })).toMatchObject({
      data: [{ id: 'claude-3-haiku-orchestrator' }],
    })

    const other = await gateway.makeKey()
    expect(await gateway.json('/mcp-rest/tools/list', { key: other })).toMatchObject({ tools: [], error: null })
    await gateway.json('/mcp-rest/tools/call', { key: other, body, status: 403 })
  })

  verifies('config:seeds', 'grants the server of the sse example to its key once that key exists', async () => {
    await using server = await startSseMcpServer()
    const config = (await seed('003-transport-sse.yaml')).replace('http://mcp-postgres:8686', server.url)
    await using gateway = await boot({ config, env })
    await gateway.json('/mcp-rest/tools/list', { key: seedKey, status: 401 })
    await gateway.json('/key/generate', { body: { key: seedKey } })
    const { tools } = await gateway.json('/mcp-rest/tools/list', { key: seedKey })
    expect(tools).toHaveLength(6)
  })

  verifies('config:seeds', 'serves those of the http example who bring the token that its entry lacks', async () => {
    await using server = await startRawMcpServer()
    const config = (await seed('003-transport-http.yaml')).replace('http://mcp-monitor:8700', server.url)
    await using gateway = await boot({ config, env })
    const body = { server_id: 'monitoring', name: 'echo', arguments: {} }
    await gateway.json('/mcp-rest/tools/call', { body, status: 401 })
    expect(server.requests).toEqual([])
    await gateway.json('/mcp-rest/tools/call', {
      body,
      headers: { 'x-mcp-monitoring-authorization': 'Bearer brought' },
    })
    expect(server.received('tools/call')[0]?.headers.authorization).toBe('Bearer brought')
  })

  verifies('config:seeds', 'runs the command of the stdio example with its arguments', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'toolgate-seeds-'))
    try {
      const command = join(folder, 'run')
      const server = [everythingStdio.command, ...everythingStdio.args].map((part) => `'${part}'`).join(' ')
      await writeFile(command, `#!/bin/sh\nprintf '%s ' "$@" > '${folder}/arguments'\nexec ${server}\n`)
      await chmod(command, 0o755)
      const config = (await seed('003-transport-stdio.yaml')).replace('/app/tools/run', command)
      await using gateway = await boot({ config, env })
      const body = { server_id: 'local_tools', name: 'echo', arguments: { message: 'hi' } }
      expect(await gateway.json('/mcp-rest/tools/call', { body })).toMatchObject({ content: [{ text: 'Echo: hi' }] })
      expect(await readFile(join(folder, 'arguments'), 'utf8')).toBe('--mode cli ')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
