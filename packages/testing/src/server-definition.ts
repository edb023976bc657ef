import type { ServerDefinition, UpstreamAuth } from '@toolgate/core'

/** Presents nothing and wants nothing. */
export const openAuth: UpstreamAuth = {
  type: 'none',
  forwardsAuthorization: false,
  needsUserToken: false,
  present: async () => undefined,
}

/** An open server that restricts nothing and sends no header of its own, unless told otherwise. */
export function serverDefinition(overrides: Partial<ServerDefinition> = {}): ServerDefinition {
  const name = overrides.name ?? overrides.id ?? 'github'
  return {
    id: name,
    name,
    prefix: overrides.alias ?? name,
    revision: '1',
    origin: 'config',
    info: {},
    transportType: 'fake',
    address: `fake://${name}`,
    auth: openAuth,
    staticHeaders: new Map(),
    extraHeaders: new Set(),
    cookieNames: new Set(),
    accessGroups: new Set(),
    allowAllKeys: false,
    grantedKeyHashes: new Set(),
    disallowedTools: new Set(),
    allowedParams: new Map(),
    displayNames: new Map(),
    toolPinning: 'off',
    descriptions: new Map(),
    allowSampling: false,
    allowElicitation: false,
    prefixed: true,
    timeouts: { connectMs: 1_000, handshakeMs: 1_000, listMs: 5_000, callMs: 6_000, callTotalMs: 60_000 },
    ...overrides,
  }
}
