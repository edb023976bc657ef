import { readFileSync } from 'node:fs'
import { deploymentSchema, providers, toDeployment } from '@toolgate/llm'
import { guardrailEntrySchema, guardrailParamsSchema, guardrailPlugs } from '@toolgate/policies'
import { describe, expect, it } from 'vitest'
import { bindModels, modelEntrySchema } from './models.ts'
import { routerSettingsSchema } from './router.ts'
import { topLevelSchema } from './schema.ts'
import { allKeys, authBlockSchema, cookiePassthroughSchema } from './server-auth-block.ts'
import { serverEntrySchema } from './server-entry.ts'
import { load, serverOptions } from './server-options.fixture.ts'
import { toServerDefinitions } from './servers.ts'
import { generalSettingsSchema, litellmSettingsSchema } from './settings.ts'
import { virtualKeySchema } from './virtual-keys.ts'

const root = new URL('../../../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')

function check(name: string, variables: Record<string, string> = {}) {
  const loaded = load(read(name), variables, new URL(name, root).pathname)
  const { servers, problems, notices } = toServerDefinitions(loaded, loaded.environment, serverOptions)
  const models = bindModels(loaded.config.models, (definition) => toDeployment(definition))
  const findings = [loaded.warnings, problems, notices, models.problems, models.notices].flat()
  return { loaded, servers, models: models.models, findings: findings.map(loaded.explain) }
}

describe('the files that come along', () => {
  it('config.yaml needs no variable, has nothing to complain about, and runs in its own folder', () => {
    const { servers, models, findings } = check('config.yaml')
    expect(findings).toEqual([])
    expect(models).toMatchObject([{ modelName: 'mock', providerType: 'mock' }])
    expect(servers).toMatchObject([{ prefix: 'everything', transportType: 'stdio' }])
    expect(servers[0]?.address).toContain(`(in ${root.pathname.replace(/\/$/, '')})`)
  })

  it('config.example.yaml loads as it stands', () => {
    const text = read('config.example.yaml')
    const names = [...text.matchAll(/: \[?os\.environ\/(\w+)/g)].map(([, name = '']) => name)
    const { servers, findings } = check('config.example.yaml', {
      ...Object.fromEntries(names.map((name) => [name, `sk-${name}-value`])),
      DATABASE_URL: 'postgres://db/gate',
    })
    expect(servers).toHaveLength(9)
    expect(findings).toEqual([])
  })

  const shapes = {
    'top level': topLevelSchema,
    general_settings: generalSettingsSchema,
    litellm_settings: litellmSettingsSchema,
    model_list: modelEntrySchema,
    litellm_params: deploymentSchema.shape.litellm_params,
    mcp_servers: serverEntrySchema,
    auth: authBlockSchema,
    cookie_passthrough: cookiePassthroughSchema,
    virtual_keys: virtualKeySchema,
    router_settings: routerSettingsSchema,
    guardrails: guardrailEntrySchema,
    'guardrails litellm_params': guardrailParamsSchema,
  }
  const keys = Object.entries(shapes).flatMap(([section, { shape }]) => Object.keys(shape).map((key) => [section, key]))
  const registries = [serverOptions.transports, serverOptions.authMethods]
  const settings = [...registries.flatMap(allKeys), ...providers.flatMap((provider) => provider.keys)]
  const plugKeys = [...new Set(settings)].map((key) => ['plugs', key])
  const providerTypes = providers.map(({ type }) => ['providers', type])

  it.each([...keys, ...plugKeys, ...providerTypes])(
    'config.example.yaml and docs/config.md explain %s: %s',
    (_, key) => {
      expect(read('config.example.yaml')).toMatch(new RegExp(`\\b${key}\\b`))
      expect(read('docs/config.md')).toMatch(new RegExp(`\\b${key}\\b`))
    },
  )

  it.each(guardrailPlugs.flatMap(({ type, keys: own }) => [type, ...own]))(
    'config.example.yaml and docs/guardrails.md explain %s',
    (key) => {
      expect(read('config.example.yaml')).toMatch(new RegExp(`\\b${key}\\b`))
      expect(read('docs/guardrails.md')).toMatch(new RegExp(`\\b${key}\\b`))
    },
  )
})
