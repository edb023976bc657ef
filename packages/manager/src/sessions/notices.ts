import { isJsonRpcMessage, isResponse, type JsonRpcId, type JsonRpcResponse, parseJsonObject } from '@toolgate/core'

/** What gateways tell each other about sessions. All of them hear all of it; most of it concerns one. */
export type Notice =
  | { readonly kind: 'end'; readonly sessionId: string }
  /** The client answered a request that another gateway asked it. */
  | { readonly kind: 'reply'; readonly sessionId: string; readonly response: JsonRpcResponse }
  /** The client gave up a request that runs elsewhere. */
  | { readonly kind: 'cancel'; readonly sessionId: string; readonly requestId: JsonRpcId }
  /** The client came back for a stream that another gateway may still think to be whole. */
  | { readonly kind: 'resume'; readonly streamId: string }
  /** The client changed its level, its subscriptions or its roots. `from`: the gateway that knows already, and hears of it too. */
  | { readonly kind: 'level'; readonly sessionId: string; readonly level: string; readonly from: string }
  | {
      readonly kind: 'subscriptions'
      readonly sessionId: string
      readonly uris: readonly string[]
      readonly from: string
    }
  | { readonly kind: 'roots'; readonly sessionId: string; readonly from: string }
  | { readonly kind: 'mail'; readonly mailId: string }

export function endNotice(sessionId: string): string {
  return writeNotice({ kind: 'end', sessionId })
}

export function mailNotice(mailId: string): string {
  return writeNotice({ kind: 'mail', mailId })
}

export function writeNotice(notice: Notice): string {
  return JSON.stringify(notice)
}

/** Another version of this program may say more: what is not understood is nothing. */
export function readNotice(text: string): Notice | undefined {
  const notice = parseJsonObject(text)
  if (notice === undefined) return undefined
  const { kind, sessionId, streamId, mailId, requestId, response, level, uris } = notice
  // A gateway of a former version does not say.
  const from = typeof notice['from'] === 'string' ? notice['from'] : ''
  if (kind === 'mail' && typeof mailId === 'string') return { kind, mailId }
  if (kind === 'resume' && typeof streamId === 'string') return { kind, streamId }
  if (typeof sessionId !== 'string') return undefined
  if (kind === 'end') return { kind, sessionId }
  if (kind === 'subscriptions' && Array.isArray(uris)) {
    return { kind, sessionId, uris: uris.filter((uri) => typeof uri === 'string'), from }
  }
  if (kind === 'roots') return { kind, sessionId, from }
  if (kind === 'level' && typeof level === 'string') return { kind, sessionId, level, from }
  if (kind === 'cancel' && (typeof requestId === 'string' || typeof requestId === 'number')) {
    return { kind, sessionId, requestId }
  }
  if (kind === 'reply' && isJsonRpcMessage(response) && isResponse(response)) return { kind, sessionId, response }
  return undefined
}
