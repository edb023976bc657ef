const changes = /^notifications\/(?:(?:tools|prompts|resources)\/list_changed|resources\/updated)$/

/** News about the server, not about a call, on whichever stream they come: that something is another than before. */
export function isAboutTheServer(method: string): boolean {
  return changes.test(method)
}
