import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readEnvironment } from '../config/env.ts'
import { serverOptions } from '../config/server-options.fixture.ts'
import { runCheck } from './check.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgate-check-'))
afterAll(() => rmSync(folder, { recursive: true }))

function check(text: string, variables: Record<string, string> = {}) {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, text)
  const lines: string[] = []
  const code = runCheck(file, {
    environment: readEnvironment(variables),
    servers: serverOptions,
    bindModel: ({ litellm_params: { model } }) =>
      model === 'nobody/knows'
        ? {
            ok: false,
            issues: [{ code: 'custom', path: ['litellm_params', 'model'], message: 'has no such provider' }],
          }
        : { ok: true, warnings: [] },
    write: (line) => void lines.push(line),
  })
  return { code, lines: lines.map((line) => line.replaceAll(folder, '.')) }
}

describe('config check', () => {
  it('says what a file means, who receives what, and no secret', () => {
    const { code, lines } = check(
      [
        'general_settings: {alerting: [slack], master_key: canary-1}',
        'model_list: [{model_name: fast, litellm_params: {model: openai/fast, api_key: canary-2}}]',
        'mcp_servers:',
        '  github: {url: http://github, auth_type: bearer_token, auth_value: canary-3, static_headers: {X-Team: canary-4}}',
        '  wiki: {url: http://wiki, auth_type: oauth_delegate, extra_headers: [X-User], auth: {cookie_passthrough: {cookie_names: [sid]}}}',
        '  plain: {command: run}',
        'virtual_keys: [{key: sk-canary-5-0123456789, key_alias: team, mcp_servers: [github]}]',
      ].join('\n'),
    )
    expect(code).toBe(0)
    expect(lines).toEqual([
      './config.yaml',
      'MCP servers: 3',
      '  github: http http://github; receives bearer_token, header x-team',
      "  wiki: http http://wiki; receives oauth_delegate, the caller's Authorization, the caller's x-user, the caller's cookie sid",
      '  plain: stdio run (in .); receives no credential',
      'Models: 1',
      '  fast → openai/fast (with a key)',
      'Virtual keys: 1',
      '  team: servers github, models by default',
      'Master key: set',
      'Database: embedded, in the data folder',
      'Warnings: 1',
      '  config.yaml:1:20 general_settings.alerting is accepted, not acted on.',
      'Problems: 0',
    ])
  })

  it('exits 1 with what would be left out', () => {
    const { code, lines } = check(
      'mcp_servers: {a: {transport: stdio}, b: {url: http://b}}\n' +
        'model_list: [{model_name: a, litellm_params: {model: nobody/knows}}]',
    )
    expect(code).toBe(1)
    expect(lines.slice(-3)).toEqual([
      'Problems: 2',
      '  left out: config.yaml:1:15 mcp_servers.a.command is missing; it must be a string.',
      '  left out: config.yaml:2:47 model_list[0].litellm_params.model has no such provider.',
    ])
  })

  it('exits 1 where a server has no name', () => {
    const { code, lines } = check('mcp_servers: {" ": {url: http://a}}')
    expect([code, lines.at(-1)]).toEqual([
      1,
      '  left out: config.yaml:1:15 mcp_servers.  needs a name that is not empty.',
    ])
  })

  it('exits 1 where two servers would have one name', () => {
    const { code, lines } = check("mcp_servers: {a: {url: 'http://a', alias: b}, b: {url: 'http://b'}}")
    expect(code).toBe(1)
    expect(lines).toContain('MCP servers: 1')
    expect(lines.at(-1)).toBe(
      '  left out: config.yaml:1:47 mcp_servers.b "b" already means server "a". Give one of the two another name, alias or id.',
    )
  })

  it('refuses a master key that no header carries, at its place and without showing it', () => {
    const { code, lines } = check('general_settings: {master_key: "canary with blanks"}')
    expect(code).toBe(1)
    expect(lines).toEqual([
      'config.yaml:1:20 general_settings.master_key must be of visible ASCII characters without spaces, and no longer than 8192: clients send it in a header.',
    ])
  })

  it('refuses an address of a database that is none, at its place and without showing it', () => {
    const { code, lines } = check('general_settings: {database_url: "mysql://u:canary@db/x"}')
    expect([code, lines]).toEqual([
      1,
      [
        expect.stringMatching(
          /^config.yaml:1:20 general_settings.database_url must be an address of the form postgres:/,
        ),
      ],
    ])
    expect(lines.join('')).not.toContain('canary')
  })

  it('refuses the keys that a start would refuse, at their place and without showing them', () => {
    const { code, lines } = check('virtual_keys: [{key: sk-short}]')
    expect([code, lines]).toEqual([1, [expect.stringContaining('config.yaml:1:17 virtual_keys[0].key is refused')]])
    expect(lines.join('')).not.toContain('sk-short')
  })

  it('exits 1 with the errors of a file that does not load', () => {
    expect(check('mcp_servers: {a: {url: "${MISSING}"}}')).toEqual({
      code: 1,
      lines: ['config.yaml:1:19 mcp_servers.a.url needs the environment variable MISSING, which is not set.'],
    })
  })
})
