/**
 * Puts environment variables into the strings of a parsed configuration: `os.environ/NAME` as a whole value,
 * `${NAME}` and `${NAME:-default}` anywhere in one. What a variable holds is taken as it is and never read again.
 *
 * Inside `static_headers` and `env` of a server, `${X-USER-TOKEN}` (a request header: no variable name can hold a
 * hyphen) and names declared in its `env_vars` stay as they are: each request has its own.
 */
import { isJsonObject, namesRequestHeader } from '@toolgate/core'
import type { ConfigPath, Report } from './report.ts'

/** An environment variable's value; a function, so that nobody prints the environment by accident. */
export type Lookup = (name: string) => string | undefined

export interface InterpolateOptions {
  readonly lookup: Lookup
  readonly report: Report
}

const wholeReference = /^os\.environ\/(.*)$/s
const embeddedReference = /\$\{([^{}]*)\}/g
const variable = /^(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<fallback>.*))?$/s
const templateKeys = new Set<string | number | undefined>(['static_headers', 'env'])

/** A copy of the whole configuration with every reference replaced; each one that cannot be is reported. */
export function interpolate(root: unknown, { lookup, report }: InterpolateOptions): unknown {
  const walk = (value: unknown, path: ConfigPath): unknown => {
    if (typeof value === 'string') return substitute(value, path)
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]))
    if (!isJsonObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]))
  }

  const valueOf = (name: string, path: ConfigPath): string => {
    const value = lookup(name)
    if (value === undefined) report.error(path, `needs the environment variable ${name}, which is not set`)
    return value ?? ''
  }

  const substitute = (text: string, path: ConfigPath): string => {
    const whole = wholeReference.exec(text)?.[1]
    if (whole !== undefined) {
      if (variable.test(whole) && !whole.includes(':')) return valueOf(whole, path)
      report.error(path, 'must name an environment variable after os.environ/')
      return ''
    }
    return text.replaceAll(embeddedReference, (reference, inner: string) => {
      if (isTemplatePlace(path) && namesRequestHeader(inner)) return reference
      if (isTemplatePlace(path) && declaredNames(root, path[1]).has(inner)) return reference
      const { name, fallback } = variable.exec(inner)?.groups ?? {}
      if (name === undefined) {
        report.error(path, `must hold the name of an environment variable between \${ and }${headerHint(inner)}`)
        return ''
      }
      return fallback === undefined ? valueOf(name, path) : lookup(name) || fallback
    })
  }

  return walk(root, [])
}

function headerHint(inner: string): string {
  return namesRequestHeader(inner) ? '; headers of requests can be named in static_headers and env only' : ''
}

function isTemplatePlace([section, , key]: ConfigPath): boolean {
  return section === 'mcp_servers' && templateKeys.has(key)
}

function declaredNames(root: unknown, server: string | number | undefined): Set<unknown> {
  const servers = isJsonObject(root) ? root['mcp_servers'] : undefined
  const entry: unknown = Array.isArray(servers)
    ? servers.find((_, index) => index === server)
    : isJsonObject(servers) && typeof server === 'string'
      ? servers[server]
      : undefined
  const declared = isJsonObject(entry) ? entry['env_vars'] : undefined
  if (!Array.isArray(declared)) return new Set()
  return new Set(declared.map((item) => (isJsonObject(item) ? item['name'] : undefined)))
}
