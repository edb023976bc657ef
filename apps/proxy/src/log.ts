import type { Logger } from '@toolgate/core'
import { type DestinationStream, pino } from 'pino'

/**
 * The process's logger: one JSON line per event on standard output. Secrets print as `[redacted]` because they are a
 * type; the paths below are the second net, for headers somebody logs whole.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
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
    destination ?? pino.destination({ dest: 1, sync: false }),
  )
}
