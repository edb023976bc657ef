import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { browse, textOf } from '../scenarios/oauth-browser.ts'
import { verifies } from '../verifies.ts'
import { suites } from './suites.ts'

vi.setConfig({ testTimeout: 60_000 })

describe('the authorization server passes', () => {
  verifies('oauth:own-resource', 'what the official suite asks of one, with a person at the browser', async () => {
    await using gateway = await boot()
    const { app } = gateway
    await using server = await serveOnLoopback((request, env) => app.fetch(request, env))
    const key = await gateway.makeKey()
    const port = await freePort()
    const registered = await gateway.json('/register', {
      key: null,
      status: 201,
      body: { redirect_uris: [`http://127.0.0.1:${port}/callback`], token_endpoint_auth_method: 'none' },
    })
    const said = await judge(
      [
        '--url',
        server.origin,
        '--client-id',
        textOf(registered['client_id']),
        '--resource',
        `${server.origin}/mcp`,
        '--port',
        `${port}`,
      ],
      async (url) => {
        const end = await browse(gateway, server.origin).allow(url, key)
        await (await fetch(end)).text()
      },
    )
    expect(said.match(/^✓ .*$/gm)).toEqual([
      expect.stringContaining('authorization-server-metadata-endpoint'),
      expect.stringContaining('authorization-code-grant'),
    ])
    expect(said).not.toMatch(/^✗/m)
  })
})

/** Runs the suite; `signIn` is given the address that it wants opened in a browser. What it printed. */
async function judge(subject: readonly string[], signIn: (url: string) => Promise<void>): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1' }
    const args = [suites['2026-07-28'].program, 'authorization', ...subject]
    const child = execFile(process.execPath, args, { env, timeout: 30_000 }, (_error, stdout) => resolve(stdout))
    let said = ''
    let isOpen = false
    child.stdout?.on('data', (piece: string) => {
      said += piece
      const [url] = /^http\S+\/authorize\?\S+$/m.exec(said) ?? []
      if (url === undefined || isOpen) return
      isOpen = true
      signIn(url).catch(reject)
    })
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}
