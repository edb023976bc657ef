import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const secret = 'sk-do-not-print-this-value'

async function refusalOf(config: string, env: Record<string, string> = {}): Promise<string> {
  const outcome = await boot({ config, env }).catch((error: unknown) => error)
  if (outcome instanceof Error) return outcome.message
  throw new Error('the gateway started')
}

describe('a file that cannot be used', () => {
  verifies('config:errors', 'is refused with file, line, path, the kind found and the nearest known key', async () => {
    const refusal = await refusalOf(`
general_setings:
  master_key: ${secret}
mcp_servers:
  github:
    urll: https://example.com/${secret}
    headers: ${secret}
model_list:
  - model_name: [${secret}]
virtual_keys:
  - api_key: ${secret}
    modles: [a]
`)
    const lines = refusal.split('\n')
    for (const line of lines) expect(line).toMatch(/^test\.yaml:\d+:\d+ /)
    expect(refusal).toMatch(/general_setings.*general_settings/)
    expect(refusal).toMatch(/mcp_servers\.github\.urll.*\burl\b/)
    expect(refusal).toMatch(/model_list\[0\]\.model_name must be a string, is a list/)
    expect(refusal).toMatch(/virtual_keys\[0\]\.modles.*models/)
    expect(refusal).not.toContain(secret)
  })

  verifies('config:errors', 'names the variable that is not set, and where it is wanted', async () => {
    const refusal = await refusalOf(
      'mcp_servers:\n  github:\n    url: https://example.com\n    authentication_token: os.environ/GITHUB_TOKEN\n    auth_type: bearer_token\n    static_headers: { X-Team: "${TEAM}" }\n',
      { GITHUB_TOKENS: secret },
    )
    expect(refusal).toContain('test.yaml:4:5 mcp_servers.github.authentication_token')
    expect(refusal).toContain('GITHUB_TOKEN,')
    expect(refusal).toContain('mcp_servers.github.static_headers.X-Team')
    expect(refusal).not.toContain(secret)
  })

  verifies(
    'config:errors',
    'does not start with a misspelt setting of a model: its key would go elsewhere',
    async () => {
      const refusal = await refusalOf(`
model_list:
  - model_name: inside
    litellm_params:
      model: openai/local
      api_key: ${secret}
      api_bse: https://llm.example.com/${secret}
`)
      expect(refusal).toBe(
        'test.yaml:7:7 model_list[0].litellm_params.api_bse is not a known key; did you mean api_base?',
      )
    },
  )

  verifies('config:errors', 'is told by line where its syntax ends, and nothing of it is quoted', async () => {
    const refusal = await refusalOf(`general_settings:\n  master_key: "${secret}\n`)
    expect(refusal).toMatch(/^test\.yaml:\d+:\d+ /)
    expect(refusal).not.toContain(secret)
    expect(await refusalOf(`a: *${secret}`)).not.toContain(secret)
    expect(await refusalOf(`a: !${secret} b`)).not.toContain(secret)
    expect(await refusalOf(`{"general_settings": {"master_key": "${secret}", }`)).not.toContain(secret)
  })
})

describe('the command line', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toolgate-config-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** Runs `toolgate …` as a process of its own. */
  async function toolgate(...parameters: string[]) {
    const main = new URL('../../apps/proxy/src/main.ts', import.meta.url).pathname
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number | string | null | undefined; said: string }>()
    execFile(
      process.execPath,
      [main, ...parameters],
      { cwd: folder, env: { PATH: process.env['PATH'] } },
      (error, out, err) => resolve({ exitCode: error === null ? 0 : error.code, said: out + err }),
    )
    return promise
  }

  verifies('config:errors', 'ends a start with one line per error, naming the file, and no secret', async () => {
    const file = join(folder, 'bad.yaml')
    await writeFile(
      file,
      `general_settings:\n  master_key: ${secret}\nmcp_server:\n  github: ${secret}\nvirtual_keys: ${secret}\n`,
    )
    for (const parameters of [
      ['--config', file, '--port', '0', '--data-dir', folder],
      ['config', 'check', file],
    ]) {
      const { exitCode, said } = await toolgate(...parameters)
      expect(exitCode).toBe(1)
      expect(said).toMatch(/bad\.yaml:3:1 mcp_server\b.*mcp_servers/)
      expect(said).toMatch(/bad\.yaml:5:1 virtual_keys must be a list/)
      expect(said).not.toContain(secret)
      expect(said).not.toMatch(/^\s+at /m)
    }
  })

  verifies('config:errors', 'says that a file is not there', async () => {
    const { exitCode, said } = await toolgate('config', 'check', 'nowhere.yaml')
    expect(exitCode).toBe(1)
    expect(said).toContain('nowhere.yaml: no such file.')
  })
})

describe('one bad server of the file', () => {
  verifies(
    'registry:bad-one-is-alone',
    'is left out with its reason, whatever is wrong with it, and the others work',
    async () => {
      await using upstream = await startRawMcpServer()
      const log = recordingLog()
      await using gateway = await boot({
        log,
        config: {
          mcp_servers: {
            first: { url: upstream.url },
            nowhere: { url: `not an address ${secret}` },
            nothing: {},
            carrier: { url: upstream.url, transport: 'pigeon' },
            unlocked: { url: upstream.url, auth_type: 'beaer_token', authentication_token: secret },
            early: { spec_path: 7 },
            twin: { url: upstream.url, alias: 'first' },
            broken: { url: upstream.url, auth_type: 'bearer_token', authentication_token: `${secret}\nline` },
            typed: { url: upstream.url, timeout: 'soon' },
            last: { url: upstream.url },
          },
        },
      })
      const { tools, error } = await gateway.json('/mcp-rest/tools/list')
      expect(tools).toMatchObject([{ mcp_info: { server_name: 'first' } }, { mcp_info: { server_name: 'last' } }])
      expect(error).toBe(null)
      for (const server of ['first', 'last']) {
        await gateway.json('/mcp-rest/tools/call', { body: { server_id: server, name: 'echo', arguments: {} } })
      }
      const leftOut = log.lines.filter((line) => line.includes('server left out')).join('\n')
      for (const server of ['nowhere', 'nothing', 'carrier', 'unlocked', 'early', 'twin', 'broken', 'typed']) {
        expect(leftOut).toContain(server)
        await gateway.json('/mcp-rest/tools/call', {
          body: { server_id: server, name: 'echo', arguments: {} },
          status: 403,
        })
      }
      expect(leftOut).toContain('did you mean bearer_token?')
      expect(log.lines.join('\n')).not.toContain(secret)
    },
  )

  verifies(
    'registry:bad-one-is-alone',
    'keeps its name: what a request brings for it goes to no other server',
    async () => {
      await using upstream = await startRawMcpServer()
      await using gateway = await boot({
        config: { mcp_servers: { git: { url: upstream.url }, 'git-hub': { url: 'not an address' } } },
      })
      await gateway.json('/mcp-rest/tools/call', {
        headers: { 'x-mcp-git-hub-authorization': 'Bearer for-git-hub' },
        body: { server_id: 'git', name: 'echo', arguments: {} },
      })
      expect(upstream.requests.map(({ raw }) => raw).join('\n')).not.toContain('for-git-hub')
    },
  )
})

describe('one bad model of the file', () => {
  verifies(
    'config:errors',
    'is left out with the kind of value that was wanted and the one that was found',
    async () => {
      const log = recordingLog()
      const model = (parameters: object) => ({ model_name: 'm', litellm_params: parameters })
      await using gateway = await boot({
        log,
        env: { AZURE_API_KEY: secret, AZURE_API_BASE: secret },
        config: {
          model_list: [
            model({ model: 'anthropic/claude-x' }),
            model({ model: 'openai/x', api_key: { a: secret } }),
            model({ model: 'openai/x', api_key: '' }),
            model({ model: 'openai/x', api_key: secret, timeout: secret }),
            model({ model: 'openai/x', api_key: secret, timeout: 0 }),
            model({ model: 'openai/x', api_base: `nowhere ${secret}` }),
            model({ model: 'openai/x', api_key: secret, extra_headers: { a: [secret] } }),
            model({ model: 'azure/x' }),
          ],
        },
      })
      const said = log.lines.join('\n')
      const at = (place: string) => `model_list[${place}]`.replace('/', '].litellm_params.').replace(/\]$/, '')
      for (const [place, reason] of [
        ['0/api_key', 'is needed: give one, or set ANTHROPIC_API_KEY'],
        ['1/api_key', 'must be a string that is not empty, is a map'],
        ['2/api_key', 'must be a string that is not empty, is an empty string'],
        ['3/timeout', 'must be a number, is a string'],
        ['4/timeout', 'must be more than 0'],
        ['5/api_base', 'must be an http or https address'],
        ['6/extra_headers.a', 'must be a string, is a list'],
        ['7/api_base', 'cannot be what AZURE_API_BASE holds'],
      ] as const) {
        expect(said).toContain(`${at(place)} ${reason}`)
      }
      expect(said).not.toContain(secret)
      expect(gateway).toBeDefined()
    },
  )
})
