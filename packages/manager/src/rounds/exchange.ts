import type { JsonObject, Peer, ProtocolEra } from '@toolgate/core'

/** One request to the upstream and its answer. */
export type Exchange = (ask: {
  readonly params: JsonObject
  readonly peer: Peer
  readonly signal: AbortSignal
}) => Promise<Exchanged>

export interface Exchanged {
  readonly result: JsonObject
  /** What the connection speaks. */
  readonly era: ProtocolEra
}

/** Parameters with the server's own state in place of ours. */
export function withState(
  params: JsonObject,
  state: { readonly upstream?: string | undefined } | undefined,
): JsonObject {
  const { requestState: _, ...asked } = params
  return state?.upstream === undefined ? asked : { ...asked, requestState: state.upstream }
}
