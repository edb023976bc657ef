/**
 * The two ways to speak MCP: `legacy` shakes hands, keeps sessions and lets the server ask the client while a call runs
 * (up to 2025-11-25); in `modern` (from 2026-07-28) every request stands for itself and is answered with what is missing.
 */
export type ProtocolEra = 'legacy' | 'modern'

/** The version that opens the modern era, and the one of it that is spoken. */
export const modernProtocolVersion = '2026-07-28'

/** Versions are dates. */
export function eraOfVersion(protocolVersion: string): ProtocolEra {
  return protocolVersion >= modernProtocolVersion ? 'modern' : 'legacy'
}
