import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { everythingStdio } from '@toolgate/testing/mcp-everything'
import { describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const call = (gateway: Booted, name: string, options: { args?: object; server?: string; status?: number } = {}) => {
  const { args = {}, server = 'local', status = 200 } = options
  return gateway.json('/mcp-rest/tools/call', { body: { server_id: server, name, arguments: args }, status })
}

/** The reference server, as a child that leaves its process id in a folder of this test. */
async function traceable() {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-stdio-'))
  const leavePid = `data:text/javascript,${encodeURIComponent(
    "import { writeFileSync } from 'node:fs'; writeFileSync(String(process.pid), '')",
  )}`
  return {
    settings: { ...everythingStdio, args: ['--import', leavePid, ...everythingStdio.args], cwd: folder },
    /** Process ids of all children that were ever started, and of those that run. */
    started: async () => (await readdir(folder)).map(Number),
    running: async () => (await readdir(folder)).map(Number).filter(isRunning),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // No such process.
    return false
  }
}

describe('a stdio server of the file', () => {
  verifies(
    'stdio:operator-only',
    'sees nothing of the gateway’s environment, and our own Node first on its path',
    async () => {
      vi.stubEnv('GATEWAY_ONLY_CANARY', 'a secret of the gateway')
      try {
        await using gateway = await boot({
          env: { UPSTREAM_TOKEN: 'for the child' },
          config: {
            mcp_servers: {
              local: { ...everythingStdio, env: { TOKEN: 'os.environ/UPSTREAM_TOKEN', PATH: '/nowhere' } },
            },
          },
        })
        const { content } = await call(gateway, 'get-env')
        const text = JSON.stringify(content)
        expect(text).toContain('for the child')
        expect(text).toContain(`${dirname(process.execPath)}:/nowhere`)
        expect(text).not.toContain('a secret of the gateway')
        expect(text).not.toContain('UPSTREAM_TOKEN')
        expect(text).not.toContain(gateway.masterKey)
      } finally {
        vi.unstubAllEnvs()
      }
    },
  )

  verifies('stdio:operator-only', 'gets its arguments as they are written, through no shell', async () => {
    await using child = await traceable()
    const args = [...child.settings.args, '; touch 0', '$(touch 1)', '&& exit 1']
    await using gateway = await boot({ config: { mcp_servers: { local: { ...child.settings, args } } } })
    await call(gateway, 'echo', { args: { message: 'hi' } })
    expect(await child.started()).toHaveLength(1)
    expect(await child.started()).not.toContain(0)
  })

  verifies(
    'stdio:operator-only',
    'whose command is not there is named with its reason, and the others work',
    async () => {
      await using gateway = await boot({
        config: {
          mcp_servers: {
            missing: { command: 'no-such-command-anywhere', args: ['--token', 'written-in-args'] },
            local: { ...everythingStdio },
          },
        },
      })
      const answer = await call(gateway, 'anything', { server: 'missing', status: 502 })
      expect(answer).toMatchObject({
        detail: {
          error: 'upstream_unreachable',
          server: 'missing',
          stage: 'connect',
          message: expect.stringContaining('command not found'),
        },
      })
      expect(JSON.stringify(answer)).not.toContain('written-in-args')
      expect(await call(gateway, 'echo', { args: { message: 'hi' } })).toMatchObject({
        content: [{ text: 'Echo: hi' }],
      })
      expect(await gateway.json('/mcp-rest/tools/list')).toMatchObject({
        error: 'partial_failure',
        _meta: {
          'toolgate/outcomes': [
            { server_name: 'missing', status: 'unreachable' },
            { server_name: 'local', status: 'ok' },
          ],
        },
      })
    },
  )

  verifies(
    'faults:contained',
    'that is killed fails the call it was in, and the next call runs on a new child',
    async () => {
      await using child = await traceable()
      await using gateway = await boot({ config: { mcp_servers: { local: child.settings } } })
      const args = { duration: 600, steps: 1 }
      const dying = call(gateway, 'trigger-long-running-operation', { args, status: 502 })
      await call(gateway, 'echo', { args: { message: 'the call above is under way' } })
      const [pid] = await child.running()
      expect(pid).toBeDefined()
      process.kill(pid ?? 0, 'SIGKILL')
      expect(await dying).toMatchObject({
        detail: {
          error: 'upstream_unreachable',
          server: 'local',
          stage: 'call',
          message: expect.stringContaining('exited'),
        },
      })
      expect(await call(gateway, 'echo', { args: { message: 'again' } })).toMatchObject({
        content: [{ text: 'Echo: again' }],
      })
      expect(await child.started()).toHaveLength(2)
    },
  )

  verifies(
    'stdio:operator-only',
    'is one child for all callers, and none is left when the gateway closes',
    async () => {
      await using child = await traceable()
      {
        await using gateway = await boot({
          config: { mcp_servers: { local: { ...child.settings, allow_all_keys: true } } },
        })
        const body = { server_id: 'local', name: 'echo', arguments: { message: 'hi' } }
        const keys = await Promise.all([gateway.makeKey(), gateway.makeKey()])
        await Promise.all(keys.map((key) => gateway.json('/mcp-rest/tools/call', { key, body })))
        expect(await child.running()).toHaveLength(1)
      }
      expect(await child.running()).toEqual([])
    },
  )

  verifies('stdio:operator-only', 'started through another program leaves nothing behind either', async () => {
    await using child = await traceable()
    const { args, cwd, command } = child.settings
    const wrapper = `
      const { spawn } = require('node:child_process')
      spawn(process.execPath, ${JSON.stringify(args)}, { stdio: 'inherit' }).on('exit', (code) => process.exit(code))`
    {
      await using gateway = await boot({ config: { mcp_servers: { local: { command, cwd, args: ['-e', wrapper] } } } })
      await call(gateway, 'echo', { args: { message: 'hi' } })
      expect(await child.running()).toHaveLength(1)
    }
    await vi.waitFor(async () => expect(await child.running()).toEqual([]), 5_000)
  })
})

describe('nobody but the file', () => {
  verifies('stdio:operator-only', 'can name a command: no request stores a server with one, or starts it', async () => {
    await using child = await traceable()
    await using gateway = await boot({ config: { mcp_servers: {} } })
    const server = { server_name: 'mine', transport: 'stdio', ...child.settings }
    for (const path of [
      '/v1/mcp/server',
      '/mcp-rest/test/connection',
      '/mcp-rest/test/tools/list',
      '/v1/mcp/server/register',
    ]) {
      for (const method of ['POST', 'PUT']) {
        const answer = await gateway.request(path, { method, body: server })
        expect([404, 405, 422]).toContain(answer.status)
      }
    }
    // Nor does a chat request: what it names must be known.
    await gateway.request('/v1/chat/completions', {
      body: { model: 'any', messages: [], tools: [{ type: 'mcp', ...server, server_url: 'litellm_proxy/mcp/mine' }] },
    })
    expect(await child.started()).toEqual([])
    expect(await (await gateway.request('/v1/mcp/server')).json()).toEqual([])
  })
})
