/**
 * `config check`: says what a file means without starting anything. It shows who receives which kind of credential and
 * never a credential.
 */
import { GatewayError } from '@toolgate/core'
import { createRegistry, type ManagedServer, withShortPrefixes } from '@toolgate/manager'
import type { Environment } from '../config/env.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { bindModels, type ModelBinding, type ModelDefinition } from '../config/models.ts'
import type { Finding } from '../config/report.ts'
import { type ServerDefinitions, type ServerOptions, toServerDefinitions } from '../config/servers.ts'

export interface CheckOptions<AuthOptions> {
  readonly environment: Environment
  readonly servers: ServerOptions<AuthOptions>
  bindModel(definition: ModelDefinition): ModelBinding
  /** Takes one line without its end. */
  write(line: string): void
}

/** Exit code: 0 where everything the file declares will work as far as the file can tell, else 1. */
export function runCheck<AuthOptions>(file: string, options: CheckOptions<AuthOptions>): 0 | 1 {
  try {
    const loaded = loadConfig(file, { environment: options.environment, keys: options.servers })
    const definitions = toServerDefinitions(loaded, loaded.environment, options.servers)
    const models = bindModels(loaded.config.models, options.bindModel)
    const { servers, clashes } = nameServers(definitions, loaded)
    const problems = [...definitions.problems, ...clashes, ...models.problems]
    const warnings = [...loaded.warnings, ...definitions.notices, ...models.notices]
    for (const line of describe(file, loaded, { servers, warnings, problems })) options.write(line)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    // The message is the list of what is wrong, written for whoever wrote the file.
    options.write(error.message)
    return 1
  }
}

/** As the registry of a gateway would: what would make a name mean two servers is left out. */
function nameServers({ declared }: ServerDefinitions, { config, environment }: LoadedConfig) {
  const registry = createRegistry()
  registry.replace(environment.shortToolPrefix ? withShortPrefixes(declared) : declared, [...config.aliases.keys()])
  const places = new Map(config.declaredServers.map(({ entry }) => [entry?.name, entry?.path ?? []]))
  const clashes = registry
    .quarantined()
    .map(({ server, reason }): Finding => ({ path: places.get(server.name) ?? [], message: reason }))
  return { servers: registry.list(), clashes }
}

interface Found {
  readonly servers: readonly ManagedServer[]
  readonly warnings: readonly Finding[]
  readonly problems: readonly Finding[]
}

function describe(file: string, { config, explain }: LoadedConfig, { servers, warnings, problems }: Found): string[] {
  return [
    file,
    ...section(`MCP servers: ${servers.length}`, servers.map(describeServer)),
    ...section(
      `Models: ${config.models.length}`,
      config.models.map(({ name, model, hasKey }) => `${name} → ${model}${hasKey ? ' (with a key)' : ''}`),
    ),
    ...section(
      `Virtual keys: ${config.virtualKeys.length}`,
      config.virtualKeys.map(
        ({ alias, mcpServers, models }, index) =>
          `${alias ?? `virtual_keys[${index}]`}: servers ${listed(mcpServers)}, models ${listed(models)}`,
      ),
    ),
    `Master key: ${config.masterKey === undefined ? 'none here; one is generated into the data folder' : 'set'}`,
    `Database: ${config.databaseUrl === undefined ? 'embedded, in the data folder' : 'set'}`,
    ...section(`Warnings: ${warnings.length}`, warnings.map(explain)),
    ...section(
      `Problems: ${problems.length}`,
      problems.map((problem) => `left out: ${explain(problem)}`),
    ),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return [title, ...lines.map((line) => `  ${line}`)]
}

function describeServer(server: ManagedServer): string {
  const receives = [
    server.auth.type === 'none' ? [] : [server.auth.type],
    server.discoveryAuth === undefined ? [] : [`${server.discoveryAuth.type} for discovery`],
    server.auth.forwardsAuthorization ? ["the caller's Authorization"] : [],
    [...server.staticHeaders.keys()].map((name) => `header ${name}`),
    [...server.extraHeaders].map((name) => `the caller's ${name}`),
    [...server.cookieNames].map((name) => `the caller's cookie ${name}`),
  ].flat()
  const credentials = receives.length === 0 ? 'no credential' : receives.join(', ')
  return `${server.prefix}: ${server.transportType} ${server.address}; receives ${credentials}`
}

function listed(names: readonly string[] | undefined): string {
  if (names === undefined) return 'by default'
  return names.length === 0 ? '(empty list)' : names.join(', ')
}
