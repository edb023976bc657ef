import { type JsonRpcNotification, type Peer, silentPeer } from '@toolgate/core'
import type { Envelope } from '@toolgate/manager'

/** From what concerns only developers to what wakes people up (RFC 5424). */
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/**
 * A modern client while one of its requests runs: it hears what belongs to that request, and is asked nothing, because it
 * is told what is missing instead.
 */
export function modernPeer(
  { clientCapabilities, logLevel }: Envelope,
  say: (notification: JsonRpcNotification) => void,
): Peer {
  const threshold = logLevel === undefined ? Infinity : levels.indexOf(logLevel)
  return {
    era: 'modern',
    capabilities: clientCapabilities,
    logLevel,
    notify(notification) {
      const { method, params = {} } = notification
      if (method === 'notifications/message') {
        const { level } = params
        if (typeof level === 'string' && levels.indexOf(level) >= threshold) say(notification)
      } else if (method === 'notifications/progress') say(notification)
    },
    request: silentPeer.request,
  }
}
