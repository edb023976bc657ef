/**
 * Why an authorization server gave no token, for the operator's log: who answered what, in words that are ours or a code of OAuth.
 * An answer is never quoted, since tokens may stand in it.
 */
import { OAuthError, RegistrationRejectedError } from '@modelcontextprotocol/client'
import { GatewayError, parseJsonObject } from '@toolgate/core'
import { ZodError } from 'zod'
import type { SignInAt } from './upstream-client.ts'

/** The last request of a step. */
export interface LastRequest {
  host?: string
  status?: number
}

const longestReason = 300

export function unavailable({ name }: Pick<SignInAt, 'name'>, error: unknown, last: LastRequest): GatewayError {
  return new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `The authorization server of "${name}" gave no token. The log of the gateway says why.`,
    { internal: `${placeOf(last)}${wordsOf(error)}`, details: { server: name, stage: 'credential' } },
  )
}

function placeOf({ host, status }: LastRequest): string {
  if (host === undefined) return ''
  return status === undefined ? `${host} gave no answer: ` : `${host} answered ${status}: `
}

function wordsOf(error: unknown): string {
  // Messages of both may hold the body.
  if (error instanceof OAuthError) return `it says ${codeIn(error.code)}`
  if (error instanceof RegistrationRejectedError)
    return `it registers no client and says ${codeIn(errorIn(error.body))}`
  if (error instanceof SyntaxError) return 'what it said is no JSON'
  if (error instanceof ZodError) return 'fields are missing or have another type than they should'
  if (!(error instanceof Error)) return 'no reason'
  const words = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  return words.slice(0, longestReason)
}

/** As RFC 6749 §5.2 and its extensions have them. Anything else is some text, and not repeated. */
function codeIn(said: unknown): string {
  return typeof said === 'string' && /^[a-z_]{1,64}$/.test(said)
    ? JSON.stringify(said)
    : 'something that is no code of OAuth'
}

function errorIn(body: string): unknown {
  return parseJsonObject(body)?.['error']
}
