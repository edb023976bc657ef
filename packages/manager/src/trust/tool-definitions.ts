/** The channel on which a decision about tools of a server is announced; the payload is the server's id. */
export const toolDefinitionChangesChannel = 'tool_definitions'

/** Of the management events; the object is the server. */
export const toolDefinitionObjectType = 'tool_definitions'

export type Verdict = 'pending' | 'approved' | 'rejected'

/** One definition by what tells it from others. */
export interface DefinitionKey {
  readonly name: string
  /** Of the upstream's own definition: nothing an operator writes over it changes this. */
  readonly hash: string
}

export interface SeenDefinition extends DefinitionKey {
  readonly definition: Readonly<Record<string, unknown>>
}

export interface JudgedDefinition extends DefinitionKey {
  readonly verdict: Verdict
}

export interface DefinitionRecord extends SeenDefinition {
  readonly serverId: string
  readonly verdict: Verdict
  readonly firstSeenAt: Date
  readonly decidedAt: Date | null
  readonly decidedBy: string | null
  /** The approved definition of this tool that was decided last; absent where there is none but this. */
  readonly approved: Readonly<Record<string, unknown>> | undefined
}

export interface Decision {
  /** Absent: everything that is pending. */
  readonly tools: readonly DefinitionKey[] | undefined
  readonly verdict: 'approved' | 'rejected'
}

/**
 * What was ever seen of pinned servers and what was decided about it, shared by all gateways on one database. Rejects with
 * `STORE_UNAVAILABLE` where the store cannot be asked. Implemented in `tool-definitions.postgres.ts`.
 */
export interface ToolDefinitions {
  load(serverId: string): Promise<readonly JudgedDefinition[]>
  /**
   * Keeps what is new, as pending. Of a server of which nothing was ever kept, all of it is approved: trust on first use.
   * Gateways that see the first list at once take turns. Answers everything that is kept of the server.
   */
  observe(serverId: string, seen: readonly SeenDefinition[]): Promise<Observed>
  /** Those with this verdict, of one server or of all, the oldest first, within a bound. */
  records(verdict: Verdict, serverId?: string): Promise<readonly DefinitionRecord[]>
  /** Decides, and leaves a management event. Answers what was decided; rejects with `TOOL_CHANGE_NOT_FOUND` for what was never seen. */
  decide(serverId: string, decision: Decision, actor: string): Promise<readonly DefinitionKey[]>
  /** Removes all of a server that is gone for good. */
  forget(serverId: string): Promise<void>
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<DefinitionChanges>
}

export interface Observed {
  /** Whether this was the first list. */
  readonly first: boolean
  readonly definitions: readonly JudgedDefinition[]
}

export interface DefinitionChanges {
  readonly changes: readonly { readonly id: string; readonly at: Date }[]
  readonly complete: boolean
  readonly mark: Date
}
