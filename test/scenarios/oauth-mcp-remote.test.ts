import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { freePort } from '@toolgate/testing/postgres-server'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { browse } from './oauth-browser.ts'

vi.setConfig({ testTimeout: 90_000 })

const program = join(dirname(createRequire(import.meta.url).resolve('mcp-remote/package.json')), 'dist/proxy.js')

/** Programs that know stdio alone use a gateway through it; here one of the SDK does. */
describe('mcp-remote', () => {
  verifies(
    'oauth:clients-complete',
    'signs in with nothing but the address, and is still let in when it is started again',
    async () => {
      await using upstream = await startRawMcpServer()
      await using gateway = await boot({ config: { mcp_servers: { git: { url: upstream.url } } } })
      const { app } = gateway
      await using server = await serveOnLoopback((request, env) => app.fetch(request, env))
      const key = await gateway.makeKey({ object_permission: { mcp_servers: ['git'] } })
      const folder = mkdtempSync(join(tmpdir(), 'toolgate-remote-'))
      const port = String(await freePort())
      let signIns = 0

      const callThrough = async () => {
        const transport = new StdioClientTransport({
          command: process.execPath,
          args: [
            program,
            `${server.origin}/mcp`,
            port,
            '--host',
            '127.0.0.1',
            '--allow-http',
            '--transport',
            'http-only',
          ],
          // No browser is to be found: the test is one.
          env: { PATH: folder, HOME: folder, MCP_REMOTE_CONFIG_DIR: folder, BROWSER: 'true' },
          stderr: 'pipe',
        })
        let said = ''
        let isOpen = false
        transport.stderr?.on('data', (piece: Buffer) => {
          said += piece.toString()
          const [url] = /http\S+\/authorize\?\S+/.exec(said) ?? []
          if (url === undefined || isOpen || !said.includes(`${url}\n`)) return
          isOpen = true
          signIns += 1
          void browse(gateway, server.origin)
            .allow(url, key)
            .then((end) => fetch(end))
        })
        const client = new Client({ name: 'editor', version: '1' })
        try {
          await client.connect(transport, { timeout: 60_000 })
          return await client.callTool({ name: 'git-echo', arguments: { say: 'hello' } })
        } catch (error) {
          throw new Error(`mcp-remote said:\n${said}`, { cause: error })
        } finally {
          await client.close()
        }
      }
      try {
        expect(await callThrough()).toMatchObject({ content: [{ type: 'text' }] })
        expect(await callThrough()).toMatchObject({ content: [{ type: 'text' }] })
        expect(signIns).toBe(1)
        expect(upstream.received('tools/call')).toHaveLength(2)
        for (const { raw } of upstream.requests) expect(raw).not.toMatch(/tg(?:at|rt)_|sk-/)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )
})
