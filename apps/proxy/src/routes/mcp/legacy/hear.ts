import { isRequest, isResponse, type JsonRpcMessage } from '@toolgate/core'
import type { Session, Sessions } from '@toolgate/manager'

/** What a client says beside its requests. */
export async function hear(sessions: Sessions, session: Session, message: JsonRpcMessage): Promise<void> {
  if (isResponse(message)) return sessions.settle(session, message)
  if (isRequest(message)) return
  if (message.method === 'notifications/roots/list_changed') return sessions.rootsChanged(session)
  if (message.method !== 'notifications/cancelled') return
  const requestId = message.params?.['requestId']
  if (typeof requestId === 'string' || typeof requestId === 'number') await sessions.cancel(session, requestId)
}
