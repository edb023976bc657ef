import { GatewayError } from '@toolgate/core'

/** Where in the configuration: keys of maps and positions in lists, from the root. */
export type ConfigPath = readonly (string | number)[]

/** One thing to tell the operator. `message` names kinds of values and known keys, never a value. */
export interface Finding {
  readonly path: ConfigPath
  readonly message: string
}

/** `error`: the start stops. `problem`: the one server or model it is about is left out, the others start. */
export type Severity = 'error' | 'problem'

/**
 * Collects everything that is wrong in one pass, so that an operator does not fix a file error by error. Of several errors
 * at one place only the first is kept: the others follow from it.
 */
export interface Report {
  readonly errors: readonly Finding[]
  readonly problems: readonly Finding[]
  readonly warnings: readonly Finding[]
  error(path: ConfigPath, message: string): void
  problem(path: ConfigPath, message: string): void
  warn(path: ConfigPath, message: string): void
}

export function createReport(): Report {
  const errors: Finding[] = []
  const problems: Finding[] = []
  const warnings: Finding[] = []
  return {
    errors,
    problems,
    warnings,
    error(path, message) {
      if (!errors.some((known) => formatPath(known.path) === formatPath(path))) errors.push({ path, message })
    },
    problem: (path, message) => void problems.push({ path, message }),
    warn: (path, message) => void warnings.push({ path, message }),
  }
}

/** `mcp_servers.github.url`, `virtual_keys[0].models`. The root is the empty string. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

/** What makes start-up (or a reload) impossible: one line each. */
export function configurationError(lines: readonly string[], cause?: unknown): GatewayError {
  return new GatewayError('CONFIGURATION_INVALID', lines.join('\n'), cause === undefined ? {} : { cause })
}
