import type { ServerDefinition, UpstreamAuth } from '@toolgate/core'

const open: UpstreamAuth = {
  type: 'none',
  forwardsAuthorization: false,
  needsUserToken: false,
  present: async () => undefined,
}

/** An open server without any headers, unless told otherwise. For the tests of this folder. */
export function exampleServer(overrides: Partial<ServerDefinition> = {}): ServerDefinition {
  const name = overrides.name ?? 'github'
  return {
    id: name,
    name,
    prefix: overrides.alias ?? name,
    revision: '1',
    origin: 'config',
    info: {},
    transportType: 'http',
    address: 'http://127.0.0.1',
    auth: open,
    staticHeaders: new Map(),
    extraHeaders: new Set(),
    cookieNames: new Set(),
    accessGroups: new Set(),
    allowAllKeys: false,
    grantedKeyHashes: new Set(),
    disallowedTools: new Set(),
    allowedParams: new Map(),
    allowSampling: false,
    allowElicitation: false,
    prefixed: true,
    timeouts: { connectMs: 1000, handshakeMs: 1000, listMs: 1000, callMs: 1000, callTotalMs: 1000 },
    ...overrides,
  }
}
