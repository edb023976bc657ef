export type { AuthorizedCall, OutcomeStatus, ServerOutcome, Target, TargetKind, UpstreamCall } from './call.ts'
export { type Caller, type Forwarded, nothingForwarded, type Peer, type RequestInfo } from './caller.ts'
export { type Cancel, type Clock, systemClock } from './clock.ts'
export { compose, type Layer } from './compose.ts'
export { callerScope, connectionKey } from './connection-key.ts'
export {
  type Credential,
  type CredentialSource,
  type PresentedCredential,
  type Scope,
  sharedScope,
  type UpstreamAuth,
} from './credential.ts'
export {
  type Blame,
  type ErrorCode,
  type ErrorDetails,
  GatewayError,
  type GatewayErrorOptions,
  toGatewayError,
  type UpstreamStage,
} from './errors.ts'
export { type NewId, randomId } from './ids.ts'
export {
  isJsonObject,
  isJsonRpcMessage,
  isNotification,
  isRequest,
  isResponse,
  type JsonObject,
  type JsonRpcError,
  type JsonRpcErrorBody,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type JsonRpcResult,
  type JsonValue,
  jsonRpcCodes,
} from './json-rpc.ts'
export { type Logger, silentLogger } from './log.ts'
export {
  classifyOutboundFailure,
  createOutbound,
  type Outbound,
  type OutboundFailure,
  type OutboundOptions,
  type OutboundRequest,
  type OutboundResponse,
} from './outbound.ts'
export { nearestName } from './nearest.ts'
export { silentPeer } from './peer.ts'
export { type Bound, definePlug, type Plug, type PlugDefinition, type PlugRegistry, plugRegistry } from './plug.ts'
export { type Grants, noGrants, type Principal } from './principal.ts'
export { Secret, secretSchema } from './secret.ts'
export type { ApprovalPolicy, Isolation, ServerDefinition, ServerTimeouts } from './server.ts'
export { createSingleFlight, type SingleFlight } from './single-flight.ts'
export type { CallTrace, Recorder, TracedCall } from './trace.ts'
