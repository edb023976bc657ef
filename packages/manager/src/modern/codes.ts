/** JSON-RPC codes of the modern era; over HTTP each goes with status 400 (spec 2026-07-28, Streamable HTTP). */
export const modernCodes = {
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022,
} as const
