/**
 * The logger as the packages see it (pino fits as it is). Fields first, then one fixed sentence. Secrets may be passed:
 * they print as `[redacted]`.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }
