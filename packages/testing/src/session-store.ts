/**
 * The rows of MCP sessions where there are none: everything that is written is taken and nothing is ever found. A test gives
 * beside it what it asks for.
 */
export const emptySessionStore = {
  open: async () => [],
  load: async () => undefined,
  setLogLevel: async () => {},
  setSubscriptions: async () => {},
  end: async () => true,
  touch: async () => [],
  endIdle: async () => [],
  announce: async () => {},
  takeMail: async () => undefined,
  appendEvents: async () => {},
  eventsAfter: async () => [],
  forgetOld: async () => {},
}
