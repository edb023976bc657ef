/**
 * Notices that the configuration file changed by looking at it once a second: that also works where files are replaced,
 * where a folder is swapped under a symbolic link (Kubernetes) and on network file systems, which do not announce it. A file
 * that is gone for a moment or still being written is left alone until it looks the same twice.
 */
import { stat } from 'node:fs/promises'
import type { Clock } from '@toolgate/core'

const lookMs = 1_000
/** After a reload that may succeed later without a change of the file. */
const retryMs = 30_000

export interface ConfigWatchOptions {
  readonly file: string
  readonly clock: Clock
  /** Taken before the file was read; see {@link fingerprintOf}. */
  readonly seen: string | undefined
  /** Asked at each look: a reload may turn the watch on and off. */
  enabled(): boolean
  /** Says whether the file has been dealt with; else it is called again after a while. Must not reject. */
  changed(): Promise<boolean>
}

/** Watches until the returned function is called. */
export function watchConfig({ file, clock, seen: first, enabled, changed }: ConfigWatchOptions): () => void {
  let seen = first
  let candidate: string | undefined
  let notBefore = 0
  let looking = false

  const look = async (): Promise<void> => {
    const found = await fingerprintOf(file)
    const settled = found !== undefined && found === candidate
    candidate = found
    if (!settled || found === seen || clock.monotonic() < notBefore) return
    if (await changed()) seen = found
    else notBefore = clock.monotonic() + retryMs
  }

  return clock.every(lookMs, () => {
    if (looking || !enabled()) return
    looking = true
    void look().finally(() => {
      looking = false
    })
  })
}

/** What differs when a file was written or replaced; undefined where there is none. */
export async function fingerprintOf(file: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file)
    return [dev, ino, size, mtimeMs, ctimeMs].join(':')
  } catch {
    // Between two names of a file there is none; the next look finds it, or the operator hears of it at a reload.
    return undefined
  }
}
