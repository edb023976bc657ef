import type { Outbound, OutboundRequest } from './outbound.ts'

/** The way to one server, on which requests are signed at the last moment: what is signed is what is sent. */
export function signingOutbound(
  outbound: Outbound,
  sign: ((request: OutboundRequest) => Promise<OutboundRequest>) | undefined,
): Outbound {
  if (sign === undefined) return outbound
  return { ...outbound, request: async (request) => outbound.request(await sign(request)) }
}
