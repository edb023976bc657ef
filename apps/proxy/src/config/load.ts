/**
 * From a file to a checked configuration: read, substitute, check. It goes on after an error, so that one
 * start shows all of them, and starts nothing.
 */
import { dirname, resolve } from 'node:path'
import { isJsonObject } from '@toolgate/core'
import { crossCheck } from './cross-check.ts'
import { type Environment, readEnvironment } from './env.ts'
import { kindOf } from './explain.ts'
import { interpolate } from './interpolate.ts'
import { configurationError, createReport, type Finding, type Report } from './report.ts'
import { type ProxyConfig, readConfig } from './schema.ts'
import { readMap } from './section.ts'
import type { ServerKeys } from './server-auth-block.ts'
import { type ConfigSource, readSource } from './source.ts'

export interface LoadOptions {
  readonly environment?: Environment
  readonly keys: ServerKeys
}

export interface LoadedConfig {
  readonly config: ProxyConfig
  /** With the file's `environment_variables` in it: the one to use from here on. */
  readonly environment: Environment
  /** Absolute; relative paths of the file start here. */
  readonly folder: string
  /** The file says nothing at all: it has no characters, or only comments. */
  readonly blank: boolean
  readonly warnings: readonly Finding[]
  /** Servers left out already, and why; `toServerDefinitions` adds those that cannot be built. */
  readonly problems: readonly Finding[]
  /** A finding as one line with file, line and column. */
  explain(finding: Finding): string
}

/**
 * Loads `file`. Throws a `GatewayError` of one line per error, each with file, line, column and path; no line holds a
 * value of the file or of the environment.
 */
export function loadConfig(file: string, options: LoadOptions): LoadedConfig {
  return loadSource(readSource(file), options)
}

/** The same for a source that is already parsed. */
export function loadSource(source: ConfigSource, { environment = readEnvironment(), keys }: LoadOptions): LoadedConfig {
  const report = createReport()
  const merged = environment.withDefaults(declaredVariables(source.data, environment, report))
  const data = interpolate(source.data, { lookup: merged.lookup, report })
  const declared = readConfig(data, { keys, variables: merged.jwt }, report)
  const config: ProxyConfig = {
    ...declared,
    masterKey: declared.masterKey ?? merged.masterKey,
    databaseUrl: declared.databaseUrl ?? merged.databaseUrl,
    clientSideAuthHeader: declared.clientSideAuthHeader ?? merged.clientSideAuthHeader,
  }
  crossCheck(config, report)
  if (report.errors.length > 0) throw configurationError(report.errors.map(source.explain))
  return {
    config,
    environment: merged,
    folder: dirname(resolve(source.file)),
    blank: source.data === null || source.data === undefined,
    warnings: report.warnings,
    problems: report.problems,
    explain: source.explain,
  }
}

/** The `environment_variables` section; its own values may refer to the environment of the process. */
function declaredVariables(data: unknown, { lookup }: Environment, report: Report): Record<string, string> {
  const section = 'environment_variables'
  const written = isJsonObject(data) ? { [section]: data[section] } : {}
  const substituted = interpolate(written, { lookup, report })
  const variables = isJsonObject(substituted) ? readMap(substituted[section], { path: [section], report }) : undefined
  const declared: Record<string, string> = {}
  for (const [name, value] of Object.entries(variables ?? {})) {
    if (typeof value === 'string') declared[name] = value
    else if (typeof value === 'number' || typeof value === 'boolean') declared[name] = String(value)
    else report.error([section, name], `must be a string, is ${kindOf(value)}`)
  }
  return declared
}
