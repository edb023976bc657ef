import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

/** Every event of one session, for clients that come back for what they missed. Lives as long as its session does. */
export function createEventLog(): EventStore {
  const events: { readonly streamId: string; readonly message: JSONRPCMessage }[] = []
  return {
    async storeEvent(streamId, message) {
      events.push({ streamId, message })
      return String(events.length - 1)
    },
    async getStreamIdForEventId(eventId) {
      return events[Number(eventId)]?.streamId
    },
    async replayEventsAfter(lastEventId, { send }) {
      const streamId = events[Number(lastEventId)]?.streamId
      if (streamId === undefined) throw new RangeError(`no event ${lastEventId}`)
      for (const [index, event] of events.entries()) {
        // The event that only opened the stream carries no message.
        const opening = Object.keys(event.message).length === 0
        if (index > Number(lastEventId) && event.streamId === streamId && !opening)
          await send(String(index), event.message)
      }
      return streamId
    },
  }
}
