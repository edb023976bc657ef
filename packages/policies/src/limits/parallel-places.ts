/** Requests of keys under way; of this process alone. Calls of one request hold one place together. */
export interface ParallelPlaces {
  taken(keyHash: string): number
  /** What it answers is called when the call is over. */
  enter(keyHash: string, request: string | symbol): () => void
}

export function createParallelPlaces(): ParallelPlaces {
  const byKey = new Map<string, Map<string | symbol, number>>()
  return {
    taken: (keyHash) => byKey.get(keyHash)?.size ?? 0,
    enter(keyHash, request) {
      const calls = byKey.get(keyHash) ?? new Map<string | symbol, number>()
      byKey.set(keyHash, calls)
      calls.set(request, (calls.get(request) ?? 0) + 1)
      return () => {
        const left = (calls.get(request) ?? 1) - 1
        if (left > 0) calls.set(request, left)
        else calls.delete(request)
        if (calls.size === 0 && byKey.get(keyHash) === calls) byKey.delete(keyHash)
      }
    },
  }
}
