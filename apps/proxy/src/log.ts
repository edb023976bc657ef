import type { Logger } from '@toolgate/core'
import { type DestinationStream, pino } from 'pino'

/** Its level may be set while it is in use. */
export interface ProcessLogger extends Logger {
  level: string
}

/**
 * The process's logger: one JSON line per event on standard output. Secrets print as `[redacted]` because they are a
 * type; the paths below are the second net, for headers somebody logs whole.
 */
export function createLogger(level: string, destination?: DestinationStream): ProcessLogger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['headers.authorization', 'headers.cookie', '*.headers.authorization', '*.headers.cookie', '*.api_key'],
        censor: '[redacted]',
      },
    },
    destination ?? standardOutput(),
  )
}

/** Bytes of lines that wait for a reader which is slow; what is beyond is dropped. */
const maxBufferedBytes = 16 * 1024 * 1024

/**
 * Open on failure: a disk that is full or a terminal that is gone costs the lines, never a call. While it fails nothing waits
 * for it at the end either: the library would try for ever.
 */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: false, maxLength: maxBufferedBytes })
  const flush = output.flushSync.bind(output)
  let failing = false
  output.on('error', () => {
    failing = true
  })
  output.on('write', () => {
    failing = false
  })
  output.flushSync = () => {
    if (!failing) flush()
  }
  return output
}
