import { GatewayError, type Logger, toGatewayError } from '@toolgate/core'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AppEnv } from '../app-env.ts'
import { type Door, doorOf } from '../door.ts'
import { printablePath } from '../printable-path.ts'
import type { PublicAddress } from '../public-address.ts'
import { renderMcpError } from '../render/json-rpc.ts'
import { renderGeminiError } from '../render/gemini.ts'
import { renderAnthropicError } from '../render/anthropic.ts'
import { type RenderedError, renderAdminError, renderOpenAiError } from '../render/openai.ts'
import { renderOauthError } from '../render/oauth.ts'
import { renderRestError } from '../render/rest.ts'

/** Which dialect a door's failures are told in. A refused credential is LiteLLM's `auth_error` at every door but MCP. */
const renderers = {
  mcp: renderMcpError,
  'mcp-rest': renderRestError,
  'mcp-admin': renderRestError,
  chat: renderOpenAiError,
  messages: renderAnthropicError,
  gemini: renderGeminiError,
  embeddings: renderOpenAiError,
  models: renderOpenAiError,
  admin: renderAdminError,
  health: renderOpenAiError,
  metadata: renderRestError,
  oauth: renderOauthError,
} as const satisfies Record<Door, (error: GatewayError) => RenderedError>

const credentialCodes = new Set([
  'CREDENTIAL_MISSING',
  'CREDENTIAL_INVALID',
  'CREDENTIAL_CONFLICT',
  'KEY_EXPIRED',
  'KEY_BLOCKED',
  'ROUTE_NOT_ALLOWED',
])

/** The one place where a failure becomes an answer. What we did not throw ourselves is logged whole and told as `INTERNAL`. */
export function errorAnswers({ log, publicAddress }: { log: Logger; publicAddress: PublicAddress }) {
  return function answerError(thrown: unknown, context: Context<AppEnv>): Response {
    const error = toGatewayError(thrown)
    logFailure(log, error, context.var.requestId)
    const { status, body } = rendererFor(error, context.req.path)(error)
    const { challenge, retryAfter } = error.details
    if (status === 401) challengeWith(context, challenge ?? gatewayChallenge(error, context, publicAddress))
    if (typeof retryAfter === 'string') context.header('retry-after', retryAfter)
    else if (error.retryable && (status === 503 || status === 429)) context.header('retry-after', '1')
    return context.json(body, contentful(status))
  }
}

/** What may pass by itself is a warning; what will not is the operator's to look at. */
export function logFailure(log: Logger, error: GatewayError, requestId: string): void {
  const facts = { requestId, code: error.code, blame: error.blame, details: error.details, internal: error.internal }
  if (error.blame !== 'operator') log.debug(facts, error.message)
  else if (error.retryable) log.warn(facts, error.message)
  else log.error({ ...facts, err: error.cause ?? error }, error.message)
}

function rendererFor({ code }: GatewayError, path: string) {
  const door = doorOf(path)
  const isOwnDialect = door === 'mcp' || door === 'oauth'
  return !isOwnDialect && credentialCodes.has(code) ? renderOpenAiError : renderers[door]
}

function challengeWith(context: Context<AppEnv>, challenge: string | undefined): void {
  if (challenge !== undefined) context.header('www-authenticate', challenge)
}

/**
 * RFC 6750 §3 and RFC 9728 §5.1: MCP clients look for where to sign in, and whether it was their credential that was refused. An
 * OAuth client that showed a wrong secret is told the scheme (RFC 6749 §5.2).
 */
function gatewayChallenge(
  { code }: GatewayError,
  context: Context<AppEnv>,
  publicAddress: PublicAddress,
): string | undefined {
  const { path } = context.req
  const door = doorOf(path)
  if (door === 'oauth') return 'Basic realm="toolgate"'
  if (door !== 'mcp') return undefined
  // What a server wants of its users is no fault of the credential that came here.
  const isOurs = code !== 'CREDENTIAL_MISSING' && code !== 'UPSTREAM_SIGN_IN_REQUIRED' && code !== 'USER_KEY_MISSING'
  const refused = isOurs ? ['error="invalid_token"'] : []
  return `Bearer ${[...refused, ...placeToSignIn(context, publicAddress)].join(', ')}`.trim()
}

function placeToSignIn(context: Context<AppEnv>, publicAddress: PublicAddress): readonly string[] {
  try {
    return [resourceMetadata(context, publicAddress)]
  } catch {
    // A request that names no host is told no address; the refusal is its answer all the same.
    return []
  }
}

/** RFC 9728 §5.1, for the MCP endpoint that was asked: where its clients sign in. */
export function resourceMetadata(context: Context<AppEnv>, publicAddress: PublicAddress): string {
  const { origin, pathname } = new URL(`${publicAddress.of(context)}${context.req.path}`)
  return `resource_metadata="${origin}/.well-known/oauth-protected-resource${pathname.replace(/\/$/, '')}"`
}

/** A relayed provider status may be anything; what cannot carry a body becomes a plain 502. */
export function contentful(status: number): ContentfulStatusCode {
  return isContentful(status) ? status : 502
}

function isContentful(status: number): status is ContentfulStatusCode {
  return status >= 400 && status <= 599
}

export function routeNotFound(context: Context<AppEnv>): never {
  throw new GatewayError('ROUTE_NOT_FOUND', `No such route: ${context.req.method} ${printablePath(context.req.path)}`)
}
