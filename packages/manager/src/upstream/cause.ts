import { GatewayError } from '@toolgate/core'

/** Errors of one chain that are looked at. */
const maxDepth = 8

/** What the system calls an error. Whatever looks otherwise may be text of an upstream and is not shown. */
const code = /^[A-Z][A-Z0-9_]{1,63}$/

/**
 * What failed, in the word that an operator looks up: the innermost `ECONNREFUSED`, `ENOTFOUND`, `CERT_HAS_EXPIRED`, … of a
 * failure, `ADDRESS_REFUSED` where the guard refused an address, `EXIT_1` or `SIGKILL` of a child. For logs and
 * administrators alone: it tells what a network looks like.
 */
export function causeOf(failure: unknown): string | undefined {
  let found: string | undefined
  let error = failure
  for (let depth = 0; depth < maxDepth && error instanceof Error; depth += 1) {
    found = wordOf(error) ?? found
    error = error.cause
  }
  return found
}

function wordOf(error: Error): string | undefined {
  if (!(error instanceof GatewayError)) return 'code' in error ? asCode(error.code) : undefined
  const { exit_signal: signal, exit_code: exitCode } = error.details
  if (typeof exitCode === 'number' && exitCode >= 0) return `EXIT_${exitCode}`
  return asCode(signal) ?? asCode(error.internal)
}

function asCode(word: unknown): string | undefined {
  return typeof word === 'string' && code.test(word) ? word : undefined
}
