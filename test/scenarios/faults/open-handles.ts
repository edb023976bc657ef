import { expect, vi } from 'vitest'

/** Timers are counted by the clock: here those of whoever waits for the others would count as well. */
const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'ProcessWrap'] as const

export type OpenHandles = Readonly<Record<string, number>>

/** What keeps this process busy, by kind. */
export function openHandles(): OpenHandles {
  const names = process.getActiveResourcesInfo()
  return Object.fromEntries(kinds.map((kind) => [kind, names.filter((name) => name === kind).length]))
}

/** Handles close a few turns of the event loop after they were told to. */
export async function expectNoMoreThan(before: OpenHandles): Promise<void> {
  await vi.waitFor(
    () => {
      const open = openHandles()
      expect(kinds.filter((kind) => (open[kind] ?? 0) > (before[kind] ?? 0))).toEqual([])
    },
    { timeout: 5_000, interval: 20 },
  )
}
