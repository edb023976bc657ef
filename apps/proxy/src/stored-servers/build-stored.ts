/**
 * From a stored server, or one that is about to be, to one that can be reached: the same reading and the same plugs as for
 * the file, with what only the operator may do taken out. Its addresses are guarded, its commands are listed ones, and the
 * environment's token is not for it.
 */
import { type AddressGuard, isJsonObject, literalAddress } from '@toolgate/core'
import type { ManagedServer } from '@toolgate/manager'
import { parse } from 'node:path'
import { buildServer, type ServerOptions } from '../config/build-server.ts'
import type { Environment } from '../config/env.ts'
import { createReport, type Finding, formatPath } from '../config/report.ts'
import { Unusable } from '../config/server-auth.ts'
import { readServer, type ServerEntry } from '../config/server-entry.ts'
import { checkNames, type ServerNames } from './names.ts'
import type { Settings } from './secrets.ts'
import { dialledPaths } from './server-fields.ts'
import { checkStdio } from './stdio-policy.ts'

/** What is wrong with a server, by field. Fields are those of the configuration file. */
export class InvalidServer extends Error {
  override readonly name = 'InvalidServer'
  readonly findings: readonly Finding[]

  constructor(findings: readonly Finding[]) {
    super(findings.map(sentence).join(' '))
    this.findings = findings
  }
}

/** `url must be …`; never with a value in it. */
export function sentence({ path, message }: Finding): string {
  return `${formatPath(path)} ${message}.`.trimStart()
}

export interface BuiltServer {
  readonly server: ManagedServer
  /** What loads but deserves a word: settings that nothing acts on, among others. */
  readonly warnings: readonly string[]
}

export interface StoredBuildOptions<AuthOptions> {
  /** With a guarded way out. */
  readonly servers: ServerOptions<AuthOptions>
  readonly guard: AddressGuard
}

/** Builds one server. Throws {@link InvalidServer}. */
export type BuildStored = (names: ServerNames, settings: Settings, environment: Environment) => BuiltServer

export function createBuildStored<AuthOptions>(options: StoredBuildOptions<AuthOptions>): BuildStored {
  return (names, settings, environment) => {
    const warnings: Finding[] = []
    try {
      checkNames(names)
      checkStdio(settings, environment.stdioCommands)
      checkAddresses(settings, options.guard)
      checkDocument(settings)
      const entry = readEntry(names, settings, { options, warnings })
      const server = buildServer(entry, {
        options: options.servers,
        environment,
        origin: 'stored',
        id: names.id,
        alias: names.alias ?? undefined,
        // The folder in which the gateway happens to run is the operator's.
        folder: parse(process.cwd()).root,
        oauth2: undefined,
        notice: (level, path, message) => void (level === 'warning' && warnings.push({ path, message })),
      })
      return { server, warnings: warnings.map(sentence) }
    } catch (error) {
      if (error instanceof Unusable) throw new InvalidServer([{ path: error.path, message: error.message }])
      throw error
    }
  }
}

function readEntry<AuthOptions>(
  { name }: ServerNames,
  settings: Settings,
  { options, warnings }: { options: StoredBuildOptions<AuthOptions>; warnings: Finding[] },
): ServerEntry {
  const report = createReport()
  const place = { path: [], report, severity: 'problem' } as const
  const entry = readServer(settings, name, { keys: options.servers, place })
  const faults = [...report.errors, ...report.problems]
  if (entry === undefined || faults.length > 0) throw new InvalidServer(faults)
  warnings.push(...report.warnings)
  return entry
}

/** What can be known without resolving a name; everything else is refused where it is dialled. */
function checkAddresses(settings: Settings, guard: AddressGuard): void {
  for (const path of dialledPaths) {
    const text = path.reduce<unknown>((value, part) => (isJsonObject(value) ? value[part] : undefined), settings)
    const url = typeof text === 'string' ? URL.parse(text) : null
    const address = url === null ? undefined : literalAddress(url)
    if (address === undefined || guard(address)) continue
    throw new Unusable(
      path,
      'is an address in a private or reserved network; general_settings.mcp_allowed_private_networks allows some',
    )
  }
}

/** Files are the operator's: what the API names is fetched. */
function checkDocument({ spec_path: document }: Settings): void {
  if (document === undefined || (typeof document === 'string' && /^https?:\/\//i.test(document))) return
  throw new Unusable(
    ['spec_path'],
    'must be an http or https address; a file can be named in the configuration file only',
  )
}
