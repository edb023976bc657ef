/**
 * Where the gateway is for the client of a request: `PROXY_BASE_URL`, else the address that the request came to, as a proxy in
 * front says where that proxy is trusted. Metadata, challenges and redirects are built from it and from nothing else.
 */
import { GatewayError } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'
import type { PublicAddressSettings } from './config/address-variables.ts'
import type { LiveConfig } from './reload/live-config.ts'
import { createTrustedProxies } from './trusted-proxies.ts'

export interface PublicAddress {
  /** Without a slash at its end; the root path is in it. Throws `INVALID_REQUEST` where the request names no sane host. */
  of(context: Context<AppEnv>): string
  /** `SERVER_ROOT_PATH`. */
  readonly rootPath: string
}

export function createPublicAddress(live: Pick<LiveConfig, 'current'>): PublicAddress {
  const settings = live.current.environment.publicAddress
  const { rootPath } = settings
  const base = publicBase(settings)
  const isTrustedProxy = createTrustedProxies(live)

  return {
    rootPath,
    of(context) {
      if (base !== undefined) return base
      const asked = new URL(context.req.url)
      const trusted = isTrustedProxy(context.env?.incoming?.socket.remoteAddress)
      const scheme = (trusted ? forwarded(context, 'x-forwarded-proto') : undefined) ?? asked.protocol.slice(0, -1)
      const host = (trusted ? forwarded(context, 'x-forwarded-host') : undefined) ?? asked.host
      return `${originOf(scheme, host)}${rootPath}`
    },
  }
}

/** LiteLLM's users write the base with its root path or without. Undefined where there is none. */
export function publicBase({ baseUrl, rootPath }: PublicAddressSettings): string | undefined {
  return baseUrl !== undefined && rootPath !== '' && !baseUrl.endsWith(rootPath) ? `${baseUrl}${rootPath}` : baseUrl
}

/** The last value: the one that the trusted proxy itself has written. */
function forwarded(context: Context<AppEnv>, name: string): string | undefined {
  const value = context.req.header(name)?.split(',').at(-1)?.trim()
  return value === '' ? undefined : value
}

function originOf(scheme: string, host: string): string {
  const url = /^[\w.:[\]-]+$/.test(host) && /^https?$/.test(scheme) ? URL.parse(`${scheme}://${host}`) : null
  if (url !== null) return url.origin
  throw new GatewayError('INVALID_REQUEST', 'The request does not say under which name the gateway was reached.')
}
