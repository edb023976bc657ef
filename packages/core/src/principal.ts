import type { RequiredApproval } from './required-approval.ts'
import type { KeyLimits } from './key-limits.ts'
import type { LoopLimits } from './loop-limits.ts'

/**
 * Who is calling and what they may reach. Everything after `authenticate` sees this and never the credential it came
 * from: a principal is logged and traced, so it holds nothing that must not be printed.
 */
export interface Principal {
  /** Name of the inbound method that produced it, for logs; `gateway` for what it asks models on its own account. */
  readonly source: 'master_key' | 'virtual_key' | 'jwt' | 'oauth' | 'gateway'
  /** Whose quotas, connections and rows these are: the user id, else the key's hash. */
  readonly id: string
  /** Hex SHA-256 of the key; for the master key a fixed alias, never its hash; for a token one of issuer and user. */
  readonly keyHash: string
  /** Hash of the presented key, where it is a former one in its time of grace. */
  readonly formerKeyHash?: string | undefined
  readonly keyAlias?: string | undefined
  readonly userId?: string | undefined
  readonly teamId?: string | undefined
  /** The MCP client that the credential was given to, where it was given to one. */
  readonly clientId?: string | undefined
  /**
   * The MCP endpoint that the credential is for, as a path, and nothing above it; absent: every door. Whoever has the
   * paths compares it.
   */
  readonly audience?: string | undefined
  /** May use the admin API. */
  readonly admin: boolean
  readonly grants: Grants
  /** Chat requests without any MCP entry get this key's tools as well. */
  readonly autoTools: boolean
  /** Lists show two tools that search and call, in place of all the others. */
  readonly toolSearch: boolean
  /** Absent: it has none. */
  readonly limits?: KeyLimits | undefined
  /** Guardrails by name, and whether those that hold for everybody do not hold for this one. Absent: they do. */
  readonly guardrails?: { readonly names: readonly string[]; readonly withoutDefaults: boolean } | undefined
  /** Absent: requests and servers say which calls wait for a yes. */
  readonly requiredApproval?: RequiredApproval | undefined
  /** The ceiling of its tool loops, where it differs from everybody's. */
  readonly loopLimits?: Partial<LoopLimits> | undefined
}

/**
 * What a principal may reach. Servers are named as the grant was written: by id, name or alias.
 * An empty set of servers is none; an empty set of models is every model (as in LiteLLM).
 */
export interface Grants {
  /** Every server, also future ones. */
  readonly allServers: boolean
  /** No server at all, not even one open to all keys (LiteLLM's `no-mcp-servers`). */
  readonly noServers: boolean
  readonly servers: ReadonlySet<string>
  readonly accessGroups: ReadonlySet<string>
  /** Per server entry the only tools it grants there, unprefixed. An entry here grants its server. */
  readonly toolsByServer: ReadonlyMap<string, ReadonlySet<string>>
  /** Toolsets, by id or name. Each grants its own tools beside all the rest, and narrows nothing. */
  readonly toolsets: ReadonlySet<string>
  /** Tools refused everywhere, unprefixed or prefixed. */
  readonly blockedTools: ReadonlySet<string>
  readonly models: ReadonlySet<string>
  /**
   * LiteLLM's `allowed_routes`: groups, paths, and paths that end in `*`. Empty: every route. What a group holds is the
   * business of whoever has the routes.
   */
  readonly routes: ReadonlySet<string>
}

export const noGrants: Grants = {
  allServers: false,
  noServers: false,
  servers: new Set(),
  accessGroups: new Set(),
  toolsByServer: new Map(),
  toolsets: new Set(),
  blockedTools: new Set(),
  models: new Set(),
  routes: new Set(),
}
