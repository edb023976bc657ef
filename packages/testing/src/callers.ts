import { type Caller, noGrants, nothingForwarded, type Principal, silentPeer } from '@toolgate/core'

/** A principal that may reach everything, unless told otherwise. */
export function principalOf(overrides: Partial<Principal> = {}): Principal {
  return {
    source: 'virtual_key',
    id: 'key-hash',
    keyHash: 'key-hash',
    admin: false,
    autoTools: false,
    toolSearch: false,
    grants: { ...noGrants, allServers: true },
    ...overrides,
  }
}

/** A caller with a silent peer and nothing forwarded, unless told otherwise. */
export function callerOf(overrides: Partial<Caller> = {}): Caller {
  return {
    principal: principalOf(),
    forwarded: nothingForwarded,
    signal: new AbortController().signal,
    request: { requestId: 'req_test', traceId: 'trace_test', door: 'test' },
    peer: silentPeer,
    ...overrides,
  }
}
