/** Milliseconds. Who holds what the gateway issued renews it, or is asked again, after these. */
export const lifetimes = {
  /** Long enough for a browser that loads a page, and no more (RFC 9700 §2.1.1 has ten minutes as the most). */
  codeMs: 60_000,
  accessMs: 60 * 60_000,
  /** For so long after its end a token is still known: a call that it let in may be under way. */
  longestCallMs: 60 * 60_000,
  /** For so long after a refresh the token before it is taken for one of a client that refreshed twice at once. */
  overtakenMs: 10_000,
  /** Since the last refresh. */
  refreshMs: 30 * 24 * 60 * 60_000,
  /** After this a person is asked again. */
  grantMs: 180 * 24 * 60 * 60_000,
  /** A day of work. Of a person nobody tells us that it has left: the identity provider is asked again. */
  personGrantMs: 12 * 60 * 60_000,
} as const
