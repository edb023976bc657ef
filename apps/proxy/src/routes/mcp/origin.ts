import { GatewayError, remembering } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import type { LiveConfig } from '../../reload/live-config.ts'

/**
 * Spec 2025-11-25, Transports, Security: a page in a browser must not talk to a gateway on the same machine through a name
 * that was bound to it (DNS rebinding). Only browsers send `Origin`, so programs are not concerned by that half.
 */
export interface OriginRules {
  /** `general_settings.mcp_allowed_origins`; `*` is every origin. */
  readonly allowedOrigins: readonly string[]
  /** `general_settings.mcp_allowed_hosts`, names without port; absent: see {@link refuseForeignOrigin}. */
  readonly allowedHosts: readonly string[] | undefined
  /** The gateway listens on loopback alone, so a name that is not of this machine was bound to it by somebody else. */
  readonly loopbackOnly: boolean
}

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Fail-closed for what a browser sends; hosts are free where the gateway listens to a network and names none. */
export function refuseForeignOrigin(context: Context<AppEnv>, rules: OriginRules): void {
  const origin = context.req.header('origin')
  if (origin !== undefined && !allowsOrigin(origin, rules)) throw refused('Origin', 'mcp_allowed_origins')
  refuseForeignHost(context, rules)
}

/** The other half, for doors that pages of others may well ask. */
export function refuseForeignHost(context: Context<AppEnv>, rules: OriginRules): void {
  const host = context.req.header('host')
  if (host !== undefined && !allowsHost(host, rules)) throw refused('Host', 'mcp_allowed_hosts')
}

function allowsOrigin(origin: string, { allowedOrigins, allowedHosts = [] }: OriginRules): boolean {
  if (allowedOrigins.includes('*') || allowedOrigins.includes(origin)) return true
  const host = hostnameOf(origin)
  return host !== '' && (loopback.has(host) || allowedHosts.includes(host))
}

function allowsHost(host: string, { allowedHosts, loopbackOnly }: OriginRules): boolean {
  if (allowedHosts === undefined && !loopbackOnly) return true
  const name = hostnameOf(`http://${host}`)
  return name !== '' && (loopback.has(name) || allowedHosts?.includes(name) === true)
}

/** Empty where it is no address. Nearly all requests name the same few. */
const hostnameOf = remembering((address) => URL.parse(address)?.hostname ?? '', { most: 64, longest: 256 })

function refused(header: string, setting: string): GatewayError {
  return new GatewayError(
    'ORIGIN_NOT_ALLOWED',
    `Invalid ${header} header. \`general_settings.${setting}\` allows others.`,
  )
}

export function originRules({ current: { config, environment } }: Pick<LiveConfig, 'current'>): OriginRules {
  const { allowedOrigins, allowedHosts } = config
  const loopbackOnly = isLoopback(environment.host)
  const { baseUrl } = environment.publicAddress
  if (baseUrl === undefined || (allowedHosts === undefined && !loopbackOnly)) {
    return { allowedOrigins, allowedHosts, loopbackOnly }
  }
  // Its own name is a proxy's in front of it.
  return { allowedOrigins, allowedHosts: [...(allowedHosts ?? []), hostnameOf(baseUrl)], loopbackOnly }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
