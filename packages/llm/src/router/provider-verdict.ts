import { type GatewayError, isJsonObject } from '@toolgate/core'
import type { Deployment } from '../deployment.ts'

/** What a failure of a model says about trying again. It goes by the failure alone. */

/** `again`: the same deployment may do better. `elsewhere`: another one may. `never`: no other would do better. */
export type Verdict = 'again' | 'elsewhere' | 'never'

export function verdictOn(error: GatewayError): Verdict {
  if (error.code === 'PROVIDER_ERROR') return verdictOnStatus(statusOf(error))
  if (error.code === 'PROVIDER_TIMEOUT' || error.code === 'PROVIDER_UNREACHABLE') return 'again'
  return error.code === 'PROVIDER_PROTOCOL' || error.code === 'OVERLOADED' ? 'elsewhere' : 'never'
}

function verdictOnStatus(status: number): Verdict {
  if (status === 408 || status === 429 || status >= 500) return 'again'
  return isRefusal(status) ? 'elsewhere' : 'never'
}

/** The deployment itself: its key, its bill, its name of the model. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 402 || status === 403 || status === 404
}

/** Asking it again soon would be in vain or unwelcome. */
export function coolsAtOnce(error: GatewayError): boolean {
  const status = statusOf(error)
  return error.code === 'PROVIDER_ERROR' && (status === 429 || isRefusal(status))
}

export type FallbackReason = 'general' | 'contextWindow' | 'contentPolicy'

/**
 * What a provider says of something that the caller named, and may have made up: a model behind a pattern of names, a file, an
 * earlier answer. The deployment is as good as before for everybody else.
 */
export function isAboutTheName(error: GatewayError, { modelName }: Pick<Deployment, 'modelName'>): boolean {
  const status = statusOf(error)
  if (error.code !== 'PROVIDER_ERROR' || (status !== 403 && status !== 404)) return false
  return modelName.includes('*') || isAboutAThing(toldBy(error))
}

function isAboutAThing(told: string): boolean {
  return namedThing.test(told) && !/model|deployment/i.test(told)
}

const namedThing =
  /\b(?:files?|containers?|responses?|conversations?|threads?|vector[ _]?stores?|prompts?|skills?|items?|cached[ _]?contents?)\b/i

/** Which fallbacks a failure leads to; undefined: it is the caller's, whoever is asked. */
export function fallbackReason(error: GatewayError): FallbackReason | undefined {
  const refused = refusalOf(error)
  if (refused !== undefined && contextWindow.test(refused)) return 'contextWindow'
  if (refused !== undefined && contentPolicy.test(refused)) return 'contentPolicy'
  return verdictOn(error) === 'never' ? undefined : 'general'
}

const contextWindow =
  /context_length_exceeded|context[ _](?:window|length)|maximum context|(?:prompt|input) is too long|too many (?:input )?tokens|token limit|input token count/i
const contentPolicy = /content_policy|content_filter|content (?:management )?policy|content filter|safety system/i

/** What a provider wrote about a request that it refuses. */
function refusalOf(error: GatewayError): string | undefined {
  if (error.code !== 'PROVIDER_ERROR' || ![400, 413, 422].includes(statusOf(error))) return undefined
  return toldBy(error)
}

function toldBy({ details }: GatewayError): string {
  const body = details.provider?.body
  const told = isJsonObject(body) ? (body['error'] ?? body) : body
  return typeof told === 'string' ? told : JSON.stringify(told ?? '')
}

function statusOf({ details }: GatewayError): number {
  return details.provider?.status ?? 0
}

/** Milliseconds that the provider asks to be left alone (RFC 9110 §10.2.3); undefined where it says nothing. */
export function retryAfterMs({ details: { retryAfter } }: GatewayError, nowMs: number): number | undefined {
  if (typeof retryAfter !== 'string') return undefined
  if (/^\d+$/.test(retryAfter.trim())) return Number(retryAfter) * 1_000
  const date = Date.parse(retryAfter)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}
