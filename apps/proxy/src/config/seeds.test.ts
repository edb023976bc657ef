import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { toDeployment } from '@toolgate/llm'
import { describe, expect, it } from 'vitest'
import { bindModels } from './models.ts'
import { load, serverOptions } from './server-options.fixture.ts'
import { toServerDefinitions } from './servers.ts'

const seeds = new URL('../../../../test/seeds/', import.meta.url)

function loadSeed(name: string, variables: Record<string, string> = {}) {
  const loaded = load(readFileSync(new URL(name, seeds), 'utf8'), variables, `/etc/toolgate/${name}`)
  return { loaded, ...toServerDefinitions(loaded, loaded.environment, serverOptions) }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** The files hold the blocks of the documents verbatim; of the transports only the list is quoted, as YAML demands. */
describe('configurations of the seeds', () => {
  it("the whole configuration loads with LiteLLM's places for key and database", () => {
    const { loaded, servers, problems } = loadSeed('003-current-configuration.yaml', {
      LITELLM_MASTER_KEY: 'sk-master',
      DATABASE_URL: 'postgres://user:password@db/litellm',
      ANTHROPIC_API_KEY: 'sk-ant',
      LITELLM_VIRTUAL_KEY_TEST: 'sk-test-0123456789',
    })
    expect(problems).toEqual([])
    expect(loaded.warnings).toEqual([])
    expect(loaded.config.masterKey?.reveal()).toBe('sk-master')
    expect(loaded.config.databaseUrl?.reveal()).toBe('postgres://user:password@db/litellm')
    expect(loaded.config.models).toMatchObject([
      { name: 'claude-3-haiku-orchestrator', model: 'claude-3-haiku-20240307', hasKey: true },
    ])
    const models = bindModels(loaded.config.models, (definition) => toDeployment(definition))
    expect(models).toMatchObject({ models: [{ providerType: 'anthropic' }], problems: [], notices: [] })
    expect(loaded.config.virtualKeys).toMatchObject([
      { models: ['claude-3-haiku-orchestrator'], mcpServers: ['db_main'] },
    ])
    expect(loaded.config.virtualKeys[0]?.key.reveal()).toBe('sk-test-0123456789')
    expect(servers).toMatchObject([
      {
        name: 'db_main',
        prefix: 'db_main',
        transportType: 'sse',
        address: 'http://mcp-postgres:8080/sse',
        requireApproval: 'never',
        grantedKeyHashes: new Set([sha256('sk-test-0123456789')]),
        auth: { type: 'none' },
      },
    ])
  })

  it('the sse example loads, and says that its key is declared nowhere', () => {
    const { loaded, servers } = loadSeed('003-transport-sse.yaml', { LITELLM_VIRTUAL_KEY_TEST: 'sk-test-0123456789' })
    expect(servers[0]?.grantedKeyHashes).toEqual(new Set([sha256('sk-test-0123456789')]))
    expect(loaded.warnings.map(loaded.explain)).toEqual([
      '003-transport-sse.yaml:6:16 mcp_servers.db_main.api_keys[0] is none of virtual_keys; ' +
        'it grants nothing until that key exists.',
    ])
  })

  it('the http example loads without the value of its bearer_token, says so, and waits for what requests bring', () => {
    const { loaded, servers, problems, notices } = loadSeed('003-transport-http.yaml')
    expect(problems).toEqual([])
    expect(servers[0]).toMatchObject({ transportType: 'http', auth: { type: 'bearer_token', needsUserToken: true } })
    expect(notices.map(loaded.explain)).toEqual([
      expect.stringMatching(/^003-transport-http\.yaml:3:3 mcp_servers\.monitoring auth_type bearer_token has neither/),
    ])
  })

  it('the stdio example loads and runs in the folder of its file', () => {
    const { servers, problems, notices } = loadSeed('003-transport-stdio.yaml')
    expect([...problems, ...notices]).toEqual([])
    expect(servers[0]).toMatchObject({ address: '/app/tools/run --mode cli (in /etc/toolgate)' })
  })

  it('the JSON example loads: http by default, its OAuth2 block is client credentials, its cookies may pass', () => {
    const { servers, problems } = loadSeed('001-configuration.json.txt', { SECRET: 'client-secret' })
    expect(problems).toEqual([])
    expect(servers[0]).toMatchObject({
      name: 'protected_tools',
      transportType: 'http',
      auth: { type: 'oauth2', needsUserToken: false, forwardsAuthorization: false },
      cookieNames: new Set(['session_id', 'user_id']),
    })
  })
})
