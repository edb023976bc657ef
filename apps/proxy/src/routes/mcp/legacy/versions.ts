import { type JsonObject, jsonRpcCodes, type JsonRpcErrorBody } from '@toolgate/core'

/** The era with a handshake, the newest first. */
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const

export type LegacyVersion = (typeof legacyVersions)[number]

/** Spec 2025-06-18, Transports: what a request without the header speaks. */
export const assumedVersion: LegacyVersion = '2025-03-26'

const newest: LegacyVersion = legacyVersions[0]

/** Spec 2025-11-25, Lifecycle: the version that was asked for where we speak it, else our newest. */
export function negotiate({ protocolVersion }: JsonObject): LegacyVersion {
  return legacyVersions.find((version) => version === protocolVersion) ?? newest
}

export function legacyVersionOf(header: string): LegacyVersion | undefined {
  return legacyVersions.find((version) => version === header)
}

/** LiteLLM's text. */
export function unsupportedVersion(header: string): JsonRpcErrorBody {
  return {
    code: jsonRpcCodes.invalidRequest,
    message: `Unsupported MCP-Protocol-Version ${header.slice(0, 64)}; supported: ${legacyVersions.join(', ')}`,
  }
}

/** Batches came with 2025-03-26 and went with 2025-06-18; 2024-11-05 inherits them from JSON-RPC. */
export function hasBatches(version: LegacyVersion): boolean {
  return version === '2025-03-26' || version === '2024-11-05'
}

/** Streams can be resumed since streamable HTTP. */
export function hasEventIds(version: string): boolean {
  return version !== '2024-11-05'
}
