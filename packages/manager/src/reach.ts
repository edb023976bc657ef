import type { ServerOutcome, Target } from '@toolgate/core'

/** What an endpoint leads to: a request through it can neither reach nor name anything else, whatever its caller may use. */
export interface Reach {
  /** By id; absent: every server of the caller. */
  readonly servers?: ReadonlySet<string> | undefined
  /** Of these servers, by id, it leads to these tools and to nothing else that they have. */
  readonly tools?: ReadonlyMap<string, ReadonlySet<string>> | undefined
  /** Where it should lead and does not, for lists of tools to tell. */
  readonly gone?: readonly ServerOutcome[] | undefined
  /** The id of the one server that the request names, where it names one and no other. */
  readonly sole?: string | undefined
  /** Tool search and nothing beside it, whether or not the caller has it otherwise. */
  readonly onlySearch?: boolean
}

export function reaches({ servers }: Reach = {}, id: string): boolean {
  return servers === undefined || servers.has(id)
}

/** Whether it leads to this one thing of a server. */
export function reachesTarget(reach: Reach | undefined, { server, kind, name }: Target): boolean {
  if (!reaches(reach, server.id)) return false
  const only = reach?.tools?.get(server.id)
  return only === undefined || (kind === 'tool' && name !== undefined && only.has(name))
}

/** Where both lead. */
export function narrowed(reach: Reach | undefined, other: Reach): Reach {
  if (reach === undefined) return other
  const servers = reach.servers ?? other.servers
  const first = reach.tools ?? new Map<string, ReadonlySet<string>>()
  const second = other.tools ?? new Map<string, ReadonlySet<string>>()
  const both = [...second].map(([id, tools]) => [id, shared(tools, first.get(id))] as const)
  return {
    ...reach,
    servers: servers === undefined ? undefined : shared(servers, other.servers),
    tools: new Map([...first, ...both]),
    gone: reach.servers === undefined ? other.gone : reach.gone,
  }
}

function shared(some: ReadonlySet<string>, others: ReadonlySet<string> = some): ReadonlySet<string> {
  return new Set([...some].filter((one) => others.has(one)))
}
