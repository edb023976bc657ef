/**
 * From the entries of the file to servers that can be reached. A server that cannot be built is left out with its reason
 * and never keeps another one from starting.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { type DeclaredServer, isLeftOut, type LeftOutServer, type ManagedServer } from '@toolgate/manager'
import { buildServer, type Notice, serverId, type ServerOptions } from './build-server.ts'
import type { Environment } from './env.ts'
import { environmentOAuth2 } from './environment-oauth2.ts'
import type { LoadedConfig } from './load.ts'
import type { Finding } from './report.ts'
import type { DeclaredEntry } from './server-entry.ts'
import { Unusable } from './server-auth.ts'
import { sharedCallbacks } from './shared-callbacks.ts'

export { type Notice, serverId, type ServerOptions } from './build-server.ts'

export interface ServerDefinitions {
  readonly servers: readonly ManagedServer[]
  /** The same, and those that are left out, in the order of the file. */
  readonly declared: readonly DeclaredServer[]
  /** Servers left out, and why. */
  readonly problems: readonly Finding[]
  /** What loads but deserves a word, among it who receives the environment's token. */
  readonly notices: readonly Notice[]
}

/** A keyed digest that is useless outside this process, so a revision tells nothing about the secrets behind it. */
export function createDigest(key: Uint8Array = randomBytes(32)): (text: string) => string {
  return (text) => createHmac('sha256', key).update(text).digest('base64url')
}

/** Throws only where the environment's OAuth2 settings are incomplete; everything else is a problem of one server. */
export function toServerDefinitions<AuthOptions>(
  { config, folder, problems: leftOut }: Pick<LoadedConfig, 'config' | 'folder' | 'problems'>,
  environment: Environment,
  options: ServerOptions<AuthOptions>,
): ServerDefinitions {
  const problems = [...leftOut]
  const notices: Notice[] = []
  const aliases = firstAliases(config.aliases)
  const shared = {
    options,
    environment,
    folder,
    origin: 'config',
    oauth2: environmentOAuth2(environment),
    notice: (level: Notice['level'], path: Notice['path'], message: string) =>
      void notices.push({ level, path, message }),
  } as const
  const declared = config.declaredServers.map((said) => {
    const { entry } = said
    if (entry === undefined) return leftOutServer(said, aliases)
    try {
      return buildServer(entry, { ...shared, id: serverId(entry.name), alias: aliases.get(entry.name) })
    } catch (error) {
      if (!(error instanceof Unusable)) throw error
      // One bad server must not hide the others: it is reported and left out.
      problems.push({ path: error.path, message: error.message })
      return leftOutServer(said, aliases)
    }
  })
  const servers = declared.flatMap((server) => (isLeftOut(server) ? [] : [server]))
  return { servers, declared, problems, notices: [...notices, ...sharedCallbacks(servers)] }
}

function leftOutServer(said: DeclaredEntry, aliases: ReadonlyMap<string, string>): LeftOutServer {
  const { name, alias = aliases.get(name ?? '') } = said
  return { names: [name, alias].filter((word) => word !== undefined), ids: idsOf(said) }
}

/** Also the one of its name where there is a `server_id`, which may be what is wrong with it, or come and go. */
export function idsOf({ name, serverId: said }: Pick<DeclaredEntry, 'name' | 'serverId'>): readonly string[] {
  return [...(name === undefined ? [] : [serverId(name)]), ...(said === undefined ? [] : [said])]
}

/** `mcp_aliases` by server; the first alias of a server counts, as in LiteLLM. */
function firstAliases(aliases: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...aliases].map(([alias, server]) => [server, alias] as const).toReversed())
}
