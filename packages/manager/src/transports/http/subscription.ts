import { isJsonObject, isJsonRpcMessage, isResponse, type JsonObject } from '@toolgate/core'
import type { Handshake } from '../../upstream/connection.ts'
import { readEventStream } from './event-stream.ts'
import type { Heard } from './http-listener.ts'
import type { ModernLink } from './modern-link.ts'
import type { CredentialHeaders } from './refusal.ts'

const acknowledgement = 'notifications/subscriptions/acknowledged'

/** What to ask for with `subscriptions/listen`; undefined where the server announces nothing. */
export function announced({ capabilities }: Pick<Handshake, 'capabilities'>): JsonObject | undefined {
  const filter = {
    ...(announces(capabilities['tools']) && { toolsListChanged: true }),
    ...(announces(capabilities['prompts']) && { promptsListChanged: true }),
    ...(announces(capabilities['resources']) && { resourcesListChanged: true }),
  }
  return Object.keys(filter).length === 0 ? undefined : filter
}

export function announces(capability: JsonObject[string] | undefined): boolean {
  return isJsonObject(capability) && capability['listChanged'] === true
}

export interface SubscriptionRequest {
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
  { notifications, credential, acknowledged }: SubscriptionRequest,
): Promise<Heard> {
  const params = link.enveloped({ notifications })
  const message = { jsonrpc: '2.0', id: 'listen', method: 'subscriptions/listen', params }
  const response = await link.post(message, { headers: credential(), signal })
  if (response.status !== 200 || response.header('content-type')?.startsWith('text/event-stream') !== true) {
    response.discard()
    return response.status < 500 ? 'refused' : 'nothing'
  }
  let heard: Heard = 'nothing'
  for await (const said of readEventStream(response.body)) {
    if (!isJsonRpcMessage(said)) continue
    if (isResponse(said)) return 'error' in said ? 'refused' : heard
    if (said.method === acknowledgement) {
      const honoured = said.params?.['notifications']
      acknowledged?.(isJsonObject(honoured) ? honoured : {})
      continue
    }
    heard = 'something'
    link.traffic.hear(said)
  }
  return heard
}
