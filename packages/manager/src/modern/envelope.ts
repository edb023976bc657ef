import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  SERVER_INFO_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
} from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject, modernProtocolVersion } from '@toolgate/core'

/**
 * What a modern request says of itself and its client in `params._meta` (spec 2026-07-28, Base Protocol): what the legacy
 * era says once, at the handshake.
 */
export interface Envelope {
  readonly clientInfo: JsonObject
  readonly clientCapabilities: JsonObject
  /** Absent: the client wants no log messages. */
  readonly logLevel?: string | undefined
}

/** Where a result says who answered. */
export const serverInfoKey = SERVER_INFO_META_KEY

/** Where what is told says because of which subscription. */
export const subscriptionIdKey = SUBSCRIPTION_ID_META_KEY

const envelopeKeys = [
  PROTOCOL_VERSION_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
] as const

/** The rest of `_meta` stays as it is. */
export function withEnvelope(params: JsonObject, { clientInfo, clientCapabilities, logLevel }: Envelope): JsonObject {
  const { _meta: meta } = params
  return {
    ...params,
    _meta: {
      ...(isJsonObject(meta) && meta),
      [PROTOCOL_VERSION_META_KEY]: modernProtocolVersion,
      [CLIENT_INFO_META_KEY]: clientInfo,
      [CLIENT_CAPABILITIES_META_KEY]: clientCapabilities,
      ...(logLevel !== undefined && { [LOG_LEVEL_META_KEY]: logLevel }),
    },
  }
}

/**
 * It concerns the one exchange it came with: a legacy server that sees it takes the request for another version's. Costs
 * nothing where there is none.
 */
export function withoutEnvelope(params: JsonObject): JsonObject {
  const { _meta: meta } = params
  if (!isJsonObject(meta) || !envelopeKeys.some((key) => Object.hasOwn(meta, key))) return params
  const kept = Object.fromEntries(Object.entries(meta).filter(([key]) => !isEnvelopeKey(key)))
  const { _meta: _, ...rest } = params
  return Object.keys(kept).length === 0 ? rest : { ...rest, _meta: kept }
}

function isEnvelopeKey(key: string): boolean {
  return envelopeKeys.some((known) => known === key)
}

/** Claims to be of the modern era, however well. */
export function claimsModernEra(params: unknown): boolean {
  return isJsonObject(params) && isJsonObject(params['_meta']) && PROTOCOL_VERSION_META_KEY in params['_meta']
}

export type EnvelopeReading =
  | { readonly protocolVersion: string; readonly envelope: Envelope }
  /** The key of `_meta` that is missing or wrong. */
  | { readonly fault: string }

const logLevels = new Set(['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'])

/** Who the client is may be left out; what it speaks and what it can do may not. */
export function readEnvelope(params: JsonObject): EnvelopeReading {
  const { _meta: meta } = params
  if (!isJsonObject(meta)) return { fault: PROTOCOL_VERSION_META_KEY }
  const protocolVersion = meta[PROTOCOL_VERSION_META_KEY]
  const clientCapabilities = meta[CLIENT_CAPABILITIES_META_KEY]
  const clientInfo = meta[CLIENT_INFO_META_KEY] ?? {}
  const logLevel = meta[LOG_LEVEL_META_KEY]
  if (typeof protocolVersion !== 'string') return { fault: PROTOCOL_VERSION_META_KEY }
  if (!isJsonObject(clientCapabilities)) return { fault: CLIENT_CAPABILITIES_META_KEY }
  if (!isJsonObject(clientInfo)) return { fault: CLIENT_INFO_META_KEY }
  if (logLevel === undefined) return { protocolVersion, envelope: { clientInfo, clientCapabilities } }
  if (typeof logLevel !== 'string' || !logLevels.has(logLevel)) return { fault: LOG_LEVEL_META_KEY }
  return { protocolVersion, envelope: { clientInfo, clientCapabilities, logLevel } }
}
