import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type BannerFacts, bannerFor } from './banner.ts'
import { load } from './config/server-options.fixture.ts'
import type { MasterKeyPlace } from './generated-secrets.ts'

const ready = `
mcp_servers: {everything: {command: node}}
model_list: [{model_name: "it's a mock", litellm_params: {model: mock/tool-caller}}]`

const banner = (facts: Partial<BannerFacts> = {}, masterKeyPlace: MasterKeyPlace = { kind: 'variable' }) =>
  bannerFor({
    address: 'http://127.0.0.1:4000',
    secrets: { masterKeyPlace },
    database: { kind: 'pglite', address: '/data/database' },
    config: load(ready).config,
    ...facts,
  })

/** What `curl` would be given, as a shell reads the command. */
function argumentsOf(text: string, command: RegExp): string[] {
  const [line = ''] = command.exec(text) ?? []
  const script = line.replace(/^curl /, `printf '%s\\n' `).replaceAll(/\$\(cat ([^)]*)\)/g, '$(printf %s $1)')
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', env: { LITELLM_MASTER_KEY: 'sk-1' } }).split('\n')
}

describe('the banner', () => {
  it('reads the key from the variable that holds it', () => {
    expect(banner()).toContain('admin key  in LITELLM_MASTER_KEY\n')
    expect(argumentsOf(banner(), /^curl .*tools\/list.*$/m)).toContain('x-litellm-api-key: sk-1')
  })

  it('says which file holds the key, and what to set, where the configuration gives it', () => {
    const text = banner({}, { kind: 'configuration', path: resolve('gateway.yaml') })
    expect(text).toContain(
      'admin key  master_key of gateway.yaml (the commands read it from LITELLM_MASTER_KEY: set it there)',
    )
  })

  it.each([
    [resolve('.toolgate/master-key'), '.toolgate/master-key'],
    [resolve("it's my/master-key"), "it's my/master-key"],
    ['/elsewhere/master-key', '/elsewhere/master-key'],
  ])('reads the key from %s wherever that is', (path, word) => {
    const text = banner({}, { kind: 'file', path })
    expect(text).toContain(`admin key  in ${word}\n`)
    expect(argumentsOf(text, /^curl .*tools\/list.*$/m)).toContain(`x-litellm-api-key: ${word}`)
  })

  it('prints commands that a shell takes apart as meant', () => {
    const text = banner({ address: 'http://[::1]:4000' })
    const [, address, , , , , , body = ''] = argumentsOf(text, /^curl .*chat.*$/m)
    expect(address).toBe('http://[::1]:4000/v1/chat/completions')
    expect(JSON.parse(body)).toMatchObject({ model: "it's a mock" })
    // Without quotes, some shells refuse the brackets as a pattern that matches nothing.
    expect(text).toContain("curl -s 'http://[::1]:4000/mcp-rest/tools/list'")
  })

  it('prints only commands that can work', () => {
    expect(banner({ config: load('{}').config }).match(/^curl/gm)).toHaveLength(1)
  })
})
