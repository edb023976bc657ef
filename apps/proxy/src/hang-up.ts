import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'

/**
 * Tells the two meanings of SIGHUP apart: "read your configuration again", and "the terminal you were started from was
 * closed", which must not leave a gateway behind that nobody sees. Call it at start; the answer is for the moment of a signal.
 */
export function hangUpDetector(): () => boolean {
  const onTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor))
  return () => onTerminal && !hasTerminal()
}

/** The kernel refuses to open the terminal of a process once it was hung up. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    // ENXIO or EIO; whatever the reason, nobody is there to read.
    return false
  }
}
