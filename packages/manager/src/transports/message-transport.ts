import type { JSONRPCMessage } from '@modelcontextprotocol/client'

/**
 * The SDK's transports as carriers of any message: what they send is written out as it is, whatever its type says.
 */
export interface MessageTransport {
  start(): Promise<void>
  send(message: object): Promise<void>
  close(): Promise<void>
}

/** What a transport says, by the names under which the SDK's transports look for them. */
export interface TransportListeners {
  readonly onmessage: (message: JSONRPCMessage) => void
  readonly onclose: () => void
  readonly onerror: (error: Error) => void
}

/** Before `start`: a message that nobody listens for is gone. */
export function listenTo(transport: MessageTransport, listeners: TransportListeners): void {
  Object.assign(transport, listeners)
}
