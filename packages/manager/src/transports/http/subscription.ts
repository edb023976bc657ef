import { isJsonObject, isJsonRpcMessage, isResponse, type JsonObject } from '@toolgate/core'
import { readEventStream } from './event-stream.ts'
import type { Ended, Hearing } from './http-listener.ts'
import type { ModernLink } from './modern-link.ts'
import type { CredentialHeaders } from './refusal.ts'

const acknowledgement = 'notifications/subscriptions/acknowledged'

export interface SubscriptionRequest {
  readonly hearing: Hearing
  readonly notifications: JsonObject
  readonly credential: () => CredentialHeaders
  /** Told what of it the server honours, as it said so. */
  readonly acknowledged?: (notifications: JsonObject) => void
}

/**
 * One `subscriptions/listen` (spec 2026-07-28, Subscriptions) until its stream ends: what a legacy server says on its GET
 * stream.
 */
export async function listenModernly(
  link: ModernLink,
  signal: AbortSignal,
  { hearing, notifications, credential, acknowledged }: SubscriptionRequest,
): Promise<Ended> {
  const params = link.enveloped({ notifications })
  const message = { jsonrpc: '2.0', id: 'listen', method: 'subscriptions/listen', params }
  const response = await link.post(message, { headers: credential(), signal })
  if (response.status !== 200 || response.header('content-type')?.startsWith('text/event-stream') !== true) {
    response.discard()
    return response.status < 500 ? 'refused' : 'over'
  }
  hearing.begun()
  for await (const said of readEventStream(response.body)) {
    if (!isJsonRpcMessage(said)) continue
    if (isResponse(said)) return 'error' in said ? 'refused' : 'over'
    if (said.method === acknowledgement) {
      const honoured = said.params?.['notifications']
      acknowledged?.(isJsonObject(honoured) ? honoured : {})
      continue
    }
    hearing.heard()
    link.traffic.hear(said)
  }
  return 'over'
}
