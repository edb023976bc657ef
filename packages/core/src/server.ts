import type { UpstreamAuth, UserSecretAccess } from './credential.ts'
import type { Secret } from './secret.ts'

/** How widely one upstream connection is shared; see `connectionKey`. */
export type Isolation = 'server' | 'principal' | 'session' | 'call'

/** `always` and `never` for every tool, or for the tools named; a tool named nowhere needs approval. */
export type ApprovalPolicy =
  | 'always'
  | 'never'
  | { readonly always: ReadonlySet<string>; readonly never: ReadonlySet<string> }

/**
 * What becomes of a tool whose definition nobody has approved: `hold` withholds it, `warn` says so, `off` compares nothing.
 */
export type ToolPinning = 'off' | 'warn' | 'hold'

/**
 * One upstream MCP server as everything but its transport sees it. Made from configuration (or, for stored servers,
 * from a row), replaced as a whole when that changes: a changed definition has another `revision`.
 */
export interface ServerDefinition {
  /** Stable across restarts and across changes of url or credentials. */
  readonly id: string
  readonly name: string
  readonly alias?: string | undefined
  /** What public names start with: the alias, else the name. */
  readonly prefix: string
  readonly revision: string
  readonly origin: 'config' | 'stored'
  readonly description?: string | undefined
  /** Shown to clients instead of what the server says of itself. */
  readonly instructions?: string | undefined
  /** LiteLLM's free-form `mcp_info`, shown in listings. */
  readonly info: Readonly<Record<string, unknown>>
  readonly transportType: string
  /** Where it is, for admins; never holds a credential. */
  readonly address: string

  readonly auth: UpstreamAuth
  readonly discoveryAuth?: UpstreamAuth | undefined
  /** Sent with every request; they win over `extraHeaders`. */
  readonly staticHeaders: ReadonlyMap<string, Secret>
  /** Those of them that each request fills in with headers of its own. */
  readonly templatedHeaders?: ReadonlySet<string> | undefined
  /** What a request fills into the environment of a process, which is then that caller's own. */
  readonly environmentTemplates?: readonly string[] | undefined
  /** Variables that each user sets; absent where the server declares none. */
  readonly userVariables?: UserVariables | undefined
  /** What a user is told who has to bring a key; absent where the server takes none. */
  readonly byok?: { readonly description: readonly string[]; readonly helpUrl: string | undefined } | undefined
  /** Names of caller headers (lower-case) copied upstream. */
  readonly extraHeaders: ReadonlySet<string>
  readonly cookieNames: ReadonlySet<string>

  readonly accessGroups: ReadonlySet<string>
  readonly allowAllKeys: boolean
  /** Hashes of the keys that `api_keys` grants this server to. */
  readonly grantedKeyHashes: ReadonlySet<string>
  readonly allowedTools?: ReadonlySet<string> | undefined
  readonly disallowedTools: ReadonlySet<string>
  /** Tool → the only arguments it may be called with. */
  readonly allowedParams: ReadonlyMap<string, ReadonlySet<string>>
  /** Tool → the public name that replaces its prefixed one. By the upstream's own names, each display name once. */
  readonly displayNames: ReadonlyMap<string, string>
  /** Tool → what is shown instead of the upstream's own description. */
  readonly descriptions: ReadonlyMap<string, string>
  readonly toolPinning: ToolPinning
  readonly requireApproval?: ApprovalPolicy | undefined
  readonly allowSampling: boolean
  readonly allowElicitation: boolean

  readonly isolation?: Isolation | undefined
  /** False: tools of this server are listed and called without prefix. */
  readonly prefixed: boolean
  readonly timeouts: ServerTimeouts
}

/** What a server wants to know of each user, for the places that name it. All of it is needed for a request. */
export interface UserVariables {
  readonly declared: readonly { readonly name: string; readonly description: string | undefined }[]
  /** Holds a JSON object, name → value. Absent: nothing of users is kept. */
  readonly held: UserSecretAccess | undefined
}

/** Milliseconds. A stage that runs out is a `UPSTREAM_TIMEOUT` naming it. */
export interface ServerTimeouts {
  /**
   * Until the event stream of the legacy SSE transport is open. Over streamable HTTP connecting is part of the handshake, and
   * each new socket has the bound of `Outbound` besides; a stdio child has `handshakeMs` to start, and the first time longer.
   */
  readonly connectMs: number
  readonly handshakeMs: number
  readonly listMs: number
  /** Idle time within a call; progress resets it. */
  readonly callMs: number
  /** Bound of a call whatever its progress. */
  readonly callTotalMs: number
}
