/**
 * Runs `end` once the signal is aborted, and in a moment where it is already: whoever was let in just before finishes what it
 * began, and then hears of it all the same. The returned function takes it back.
 */
export function whenAborted(signal: AbortSignal, end: () => void): () => void {
  if (signal.aborted) queueMicrotask(end)
  else signal.addEventListener('abort', end, { once: true })
  return () => signal.removeEventListener('abort', end)
}
