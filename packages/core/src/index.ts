export { type AddressGuard, createAddressGuard, isNetwork, literalAddress, networkMatcher } from './address-guard.ts'
export type { AuthorizedCall, Target, TargetKind, UpstreamCall } from './call.ts'
export { type Caller, type Forwarded, nothingForwarded, type Peer } from './caller.ts'
export { type Cancel, type Clock, type Deadline, sleep, startDeadline, systemClock } from './clock.ts'
export { compose, composeAround, type Layer } from './compose.ts'
export { Cancellation, type CancelSignal } from './cancellation.ts'
export { type CallerScope, connectionKey, createCallerScope, type Isolated, joinScopes } from './connection-key.ts'
export {
  type Credential,
  type CredentialSource,
  type GivenTokens,
  type PresentedCredential,
  type PresentRequest,
  type Scope,
  sharedScope,
  type SignInAnswer,
  type SignInLeg,
  type SignInRelay,
  type OwnAddresses,
  type RegisteredClient,
  type RelayedRefreshToken,
  type RelayedTokens,
  type ServerAsked,
  type UpstreamAuth,
  type UserAtServer,
  type HeldSecret,
  type UserSecretAccess,
  type UserTokenAccess,
  type UserTokenStatus,
} from './credential.ts'
export { eraOfVersion, modernProtocolVersion, type ProtocolEra } from './era.ts'
export {
  type ErrorCode,
  type ErrorDetails,
  GatewayError,
  isErrorCode,
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
  type JsonRpcErrorBody,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type JsonValue,
  jsonRpcCodes,
  parseJsonObject,
} from './json-rpc.ts'
export type { KeyLimits } from './key-limits.ts'
export { type Logger, silentLogger } from './log.ts'
export {
  defaultLoopLimits,
  type LoopLimits,
  loopLimitsSchema,
  toLoopLimits,
  withinCeiling,
} from './loop-limits.ts'
export type { ResolveName } from './guarded-connector.ts'
export {
  classifyOutboundFailure,
  createOutbound,
  type Outbound,
  type OutboundRequest,
  type OutboundResponse,
} from './outbound.ts'
export type { MaybePromise } from './maybe-promise.ts'
export { firstMisspelt, nearestName } from './nearest.ts'
export { oneAtATime } from './one-at-a-time.ts'
export { encodeOutcome, isFailedOutcome, outcomeError, type OutcomeStatus, type ServerOutcome } from './outcome.ts'
export { silentPeer } from './peer.ts'
export { definePlug, type Plug, type PlugRegistry, plugRegistry } from './plug.ts'
export { type Grants, noGrants, type Principal } from './principal.ts'
export { fillTemplate, namesRequestHeader, templateHeaders, templateVariables } from './request-template.ts'
export { signingOutbound } from './signing-outbound.ts'
export { remembering } from './remembering.ts'
export { Roster } from './roster.ts'
export { Secret, secretSchema } from './secret.ts'
export { type RequiredApproval, requiredApprovalSchema, toRequiredApproval } from './required-approval.ts'
export type {
  ApprovalPolicy,
  Isolation,
  ServerDefinition,
  ServerTimeouts,
  ToolPinning,
  UserVariables,
} from './server.ts'
export { createSingleFlight } from './single-flight.ts'
export { createSpending, spend, type Spending } from './spending.ts'
export { type CallTrace, type PolicyDecision, type Recorder, settled, type TracedCall } from './trace.ts'
export { untilAborted } from './until-aborted.ts'
export { mapSubschemas, schemaLists, schemaMaps, schemaParts, valueAtPointer } from './json-schema.ts'
