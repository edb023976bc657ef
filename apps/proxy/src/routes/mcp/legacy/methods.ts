import { type Caller, GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { isStorable } from '@toolgate/db'
import { type Gateway, logLevels, type Session, type Sessions, type Subscriptions } from '@toolgate/manager'
import type { Answer } from '../answer.ts'
import type { createIntroduction } from '../introduction.ts'
import { type HoldsOwnKey, programIn } from '../program.ts'
import { requireAnyServer, type View } from '../view.ts'
import type { Asked } from './respond.ts'
import { negotiate } from './versions.ts'

export type LegacySession = Session

export interface LegacyResult {
  readonly result: JsonObject
  /** Of the session that the request opened. */
  readonly sessionId?: string | undefined
}

/** What a request of this era comes to: what belongs to sessions here, everything else in `answer.ts`. */
export type LegacyMethods = (asked: Asked) => Promise<LegacyResult>

export interface LegacyMethodsOptions {
  readonly gateway: Gateway
  readonly sessions: Sessions
  readonly subscriptions: Pick<Subscriptions, 'wanted'>
  readonly answer: Answer
  readonly introduce: ReturnType<typeof createIntroduction>
  readonly holdsOwnKey: HoldsOwnKey
}

/** Characters of what a client declares, which is kept as long as its session. */
const maxCapabilitiesLength = 8_192

/** Resources that one session may be told of. */
const maxSubscriptions = 256

export function createLegacyMethods(options: LegacyMethodsOptions): LegacyMethods {
  const { sessions, answer } = options
  return async ({ caller, view, session, request: { method, params = {} } }) => {
    if (method === 'initialize') return initialize(options, { caller, view, params })
    if (method === 'logging/setLevel') {
      const level = logLevels.find((known) => known === params['level'])
      if (level === undefined) throw invalid(`"level" must be one of ${logLevels.join(', ')}.`)
      if (session !== undefined) await sessions.setLogLevel(session, level)
      return { result: {} }
    }
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      return { result: await subscribe(options, { caller, view, session, method, params }) }
    }
    return { result: await answer({ caller, view, method, params }) }
  }
}

async function initialize(
  { gateway, sessions, introduce, holdsOwnKey }: LegacyMethodsOptions,
  { caller, view, params }: { caller: Caller; view: View; params: JsonObject },
): Promise<LegacyResult> {
  requireAnyServer(gateway, caller)
  const capabilities = isJsonObject(params['capabilities']) ? params['capabilities'] : {}
  const declared = JSON.stringify(capabilities)
  if (declared.length > maxCapabilitiesLength) {
    throw invalid(`"capabilities" has more than ${maxCapabilitiesLength} characters.`)
  }
  requireStorable('capabilities', declared)
  const protocolVersion = negotiate(params)
  const { instructions, ...said } = introduce(caller, view)
  const client = programIn(params['clientInfo'], holdsOwnKey)
  const { names } = view
  const { id: sessionId } = await sessions.open(caller.principal, { protocolVersion, capabilities, client, names })
  return { result: { protocolVersion, ...said, ...(instructions !== undefined && { instructions }) }, sessionId }
}

interface Subscription {
  readonly caller: Caller
  readonly view: View
  readonly session: LegacySession | undefined
  readonly method: string
  readonly params: JsonObject
}

/** The upstream's subscription is its connection's, which clients may share: it ends with the last of them. */
async function subscribe(
  { answer, sessions, subscriptions: all }: Pick<LegacyMethodsOptions, 'answer' | 'sessions' | 'subscriptions'>,
  { caller, view, session, method, params }: Subscription,
): Promise<JsonObject> {
  const { uri } = params
  if (session === undefined) throw invalid(`${method} needs a session: there is nobody to tell without one.`)
  if (typeof uri !== 'string') throw invalid(`${method}: "uri" must be a string.`)
  requireStorable('uri', JSON.stringify(uri))
  const { subscriptions } = session
  if (method === 'resources/unsubscribe') {
    await sessions.setSubscriptions(session, new Set([...subscriptions].filter((one) => one !== uri)))
    return all.wanted(uri) ? {} : answer({ caller, view, method, params })
  }
  if (subscriptions.size >= maxSubscriptions) throw invalid(`A session has at most ${maxSubscriptions} subscriptions.`)
  const result = await answer({ caller, view, method, params })
  await sessions.setSubscriptions(session, new Set([...session.subscriptions, uri]))
  return result
}

/** Sessions are kept in the database. */
function requireStorable(param: string, json: string): void {
  if (!isStorable(json)) throw invalid(`"${param}" holds a NUL character or half a character.`)
}

function invalid(message: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', message)
}
