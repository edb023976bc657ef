import { type Fault, type FaultPlace, type FaultyMcpServers, startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { startRawMcpServer, startSilentPort } from '@toolgate/testing/mcp-raw'
import { passes, type Verdict } from './verdicts.ts'
import { callTimeout, type FaultFakes, type FaultRow } from './world.ts'

/** The faulty servers of a table over streamable HTTP, and the addresses where there is none. */
export interface HttpFakes extends FaultFakes {
  readonly servers: FaultyMcpServers
  /** Where nobody listens. */
  readonly closed: string
  /** Where a connection is accepted and never made. */
  readonly silent: string
}

export async function startHttpFakes(): Promise<HttpFakes> {
  const gone = await startRawMcpServer()
  await gone[Symbol.asyncDispose]()
  const silent = await startSilentPort()
  const servers = await startFaultyMcpServers()
  return {
    servers,
    closed: gone.url,
    silent: silent.url,
    openExchanges: servers.openExchanges,
    get sockets() {
      return servers.sockets
    },
    async [Symbol.asyncDispose]() {
      await servers[Symbol.asyncDispose]()
      await silent[Symbol.asyncDispose]()
    },
  }
}

/** A server with a credential of its own, and hardly any patience for its calls. */
function entry(url: string, token: string): object {
  return { url, auth_type: 'bearer_token', authentication_token: token, timeout: callTimeout }
}

/** Fails whatever it is asked, from the handshake on. */
export const always = (name: string, fault: Fault, verdict: Verdict): FaultRow<HttpFakes> => ({
  ...hosted(name, fault, 'everything'),
  call: verdict,
  list: verdict,
})

/** Answers well until it is called. */
export const inCalls = (name: string, fault: Fault, call: Verdict): FaultRow<HttpFakes> => ({
  ...hosted(name, fault, 'call'),
  call,
  list: passes(),
})

/** Answers well until it is to list its tools, and then again. */
export const inLists = (name: string, fault: Fault, list: Verdict): FaultRow<HttpFakes> => ({
  ...hosted(name, fault, 'list'),
  call: passes(),
  list,
})

/** Decides for itself, request by request, what to get wrong. */
export const fromTheStart = (
  name: string,
  fault: Fault,
  verdicts: { readonly call: Verdict; readonly list: Verdict },
): FaultRow<HttpFakes> => ({ ...hosted(name, fault, 'everything'), ...verdicts })

/** At an address that no server is behind. */
export const at = (name: string, address: (fakes: HttpFakes) => string, verdict: Verdict): FaultRow<HttpFakes> => ({
  name,
  call: verdict,
  list: verdict,
  host: (fakes, _server, token) => entry(address(fakes), token),
})

function hosted(name: string, fault: Fault, place: FaultPlace): Pick<FaultRow<HttpFakes>, 'name' | 'host'> {
  return { name, host: ({ servers }, server, token) => entry(servers.host(server, fault, place), token) }
}
