import { type Clock, GatewayError, type Logger, sleep, startDeadline, toGatewayError } from '@toolgate/core'
import { cancelled } from '../cancelled.ts'
import type { Deployment } from '../deployment.ts'
import { findRoutes, type Route } from '../routing.ts'
import { type Choosing, chooseRoute } from './choose-deployment.ts'
import { createDeploymentStates, type DeploymentStates } from './deployment-states.ts'
import { coolsAtOnce, fallbackReason, isAboutTheName, retryAfterMs, verdictOn } from './provider-verdict.ts'
import { defaultRetries, type RouterSettings } from './router-settings.ts'

/**
 * Chooses which deployment answers a request for a name, asks another one where it fails, and falls back to other names.
 * It repeats requests to models alone, and none of whose answer a byte went out: the tools of a loop run between two requests,
 * never within one. What failed because of the caller is not repeated.
 */
export interface Router {
  /** Rejects with what the first deployment of the name itself failed with, and with `CANCELLED`. */
  run<Result>(request: RoutedRequest, attempt: Attempt<Result>): Promise<Result>
  /** What a request for the name would be sent to now; undefined where nothing serves it. */
  choose(name: string): Route | undefined
  /** Everything that may come to answer for the name. */
  reachable(name: string): readonly Deployment[]
  /** The name behind an alias, else the same. */
  meaning(name: string): string
}

export interface RoutedRequest {
  /** The public name; something serves it. */
  readonly name: string
  readonly streamed: boolean
  readonly signal: AbortSignal
}

export interface Served extends Route {
  /** The name that it was asked under: another one than the request's after a fallback or behind an alias. */
  readonly group: string
  /** Attempts before this one, over all names. */
  readonly retries: number
  /** Names before this one. */
  readonly fallbacks: number
  /** Dollars, of an answer that is there whole. */
  readonly spend?: number | undefined
}

export interface AttemptControl {
  /** Also aborted when the attempt's own time is up. */
  readonly signal: AbortSignal
  /** The client gets the answer of this attempt and of no other. */
  begun(): void
}

export type Attempt<Result> = (served: Served, control: AttemptControl) => Promise<Result>

/** Hears of every attempt, for metrics. */
export interface RouterListener {
  onAttempt?(event: { deployment: Deployment; outcome: 'ok' | GatewayError['code'] }): void
  onCooldown?(event: { deployment: Deployment; ms: number }): void
}

export interface RouterOptions {
  readonly deployments: () => readonly Deployment[]
  readonly settings: () => RouterSettings
  readonly clock: Clock
  /** 0 ≤ value < 1. */
  readonly random: () => number
  readonly log: Logger
  readonly listener?: RouterListener | undefined
}

/** Names that one request may be answered under, its own among them: LiteLLM's five fallbacks. */
const maxNames = 6
/** A provider that wants to be left alone for longer is not waited for. */
const longestWaitMs = 60_000
const firstBackoffMs = 500
const longestBackoffMs = 8_000

export function createRouter(options: RouterOptions): Router {
  const { deployments, settings, clock, random } = options
  const states = createDeploymentStates(clock)
  const meaning = (name: string) => settings().aliases.get(name)?.model ?? name
  const routesOf = (name: string) => findRoutes(deployments(), meaning(name))
  const choosing = () => ({ states, strategy: settings().strategy, random })

  return {
    meaning,
    choose: (name) => chooseRoute(routesOf(name), choosing()),
    reachable(name) {
      const { fallbacks } = settings()
      const tables = [fallbacks.general, fallbacks.contextWindow, fallbacks.contentPolicy]
      const others = tables.flatMap((table) => table.get(meaning(name)) ?? [])
      return [name, ...others, ...fallbacks.others].flatMap((each) =>
        routesOf(each).map(({ deployment }) => deployment),
      )
    },
    async run(request, attempt) {
      const asking: Asking = { ...options, request, states, routesOf, retries: 0, begun: false, choosing: choosing() }
      return runNames(asking, meaning(request.name), attempt)
    },
  }
}

/** One request on its way. */
interface Asking extends RouterOptions {
  readonly request: RoutedRequest
  readonly states: DeploymentStates
  readonly choosing: Choosing
  readonly routesOf: (name: string) => readonly Route[]
  retries: number
  begun: boolean
}

async function runNames<Result>(asking: Asking, name: string, attempt: Attempt<Result>): Promise<Result> {
  const names = [name]
  let failure: GatewayError | undefined
  for (let at = 0; at < names.length && at < maxNames; at += 1) {
    const group = names[at] ?? name
    const routes = asking.routesOf(group)
    if (routes.length === 0) continue
    try {
      const last = at === names.length - 1 && !(at === 0 && leadsOn(asking, name))
      return await runName(asking, { group, routes, fallbacks: at, last }, attempt)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      // What the name itself failed with is what its caller asked about.
      failure = failure === undefined || isAllCooling(failure) ? error : failure
      if (asking.begun || asking.request.signal.aborted) throw error
      if (at === 0) names.push(...fallbacksOf(asking.settings(), name, error))
    }
  }
  throw failure ?? new GatewayError('INTERNAL', `Nothing serves the model "${name}".`)
}

/** Whether there is another name to go to where everything of this one cools down. */
function leadsOn({ settings }: Asking, name: string): boolean {
  return fallbackNames(settings(), name, 'general').length > 0
}

function fallbacksOf(settings: RouterSettings, name: string, error: GatewayError): readonly string[] {
  const reason = fallbackReason(error)
  return reason === undefined ? [] : fallbackNames(settings, name, reason)
}

function fallbackNames(
  { fallbacks }: RouterSettings,
  name: string,
  reason: NonNullable<ReturnType<typeof fallbackReason>>,
): readonly string[] {
  const own = fallbacks[reason].get(name)
  const found = own ?? (reason === 'general' ? fallbacks.others : [])
  return found.filter((each) => each !== name)
}

interface Group {
  readonly group: string
  readonly routes: readonly Route[]
  readonly fallbacks: number
  /** There is nothing else to ask. */
  readonly last: boolean
}

async function runName<Result>(asking: Asking, group: Group, attempt: Attempt<Result>): Promise<Result> {
  const { settings, states, choosing } = asking
  const { retries } = settings()
  let untried = group.routes
  if (!group.last && untried.every(({ deployment }) => states.coolingMs(deployment) > 0)) throw allCooling(group.group)

  for (let attempts = 1; ; attempts += 1) {
    const route = chooseRoute(untried, choosing)
    if (route === undefined) throw new GatewayError('INTERNAL', `Nothing serves the model "${group.group}".`)
    try {
      return await runAttempt(asking, { ...route, ...group }, attempt)
    } catch (thrown) {
      const error = asking.request.signal.aborted ? cancelled(asking.request.signal, thrown) : toGatewayError(thrown)
      const verdict = verdictOn(error)
      untried = untried.filter((other) => other !== route)
      if (asking.begun || verdict === 'never' || attempts > (retries ?? defaultRetries)) throw error
      if (untried.length > 0) {
        asking.retries += 1
        continue
      }
      // What is left has failed already: where nobody asked for more, the client decides whether to come again.
      if (retries === undefined || verdict !== 'again') throw error
      await waitBefore(asking, attempts, error)
      asking.retries += 1
      untried = group.routes
    }
  }
}

async function runAttempt<Result>(
  asking: Asking,
  { deployment, model, group, fallbacks }: Route & Group,
  attempt: Attempt<Result>,
): Promise<Result> {
  const { request, states, listener, clock } = asking
  using _place = await states.enter(deployment, request.signal)
  const timeoutMs = timeoutOf(asking, deployment)
  using deadline = timeoutMs === undefined ? undefined : startDeadline(clock, timeoutMs, request.signal)
  const signal = deadline?.signal ?? request.signal
  const begun = () => {
    asking.begun = true
    deadline?.[Symbol.dispose]()
  }
  try {
    const served = { deployment, model, group, fallbacks, retries: asking.retries }
    const result = await attempt(served, { signal, begun })
    listener?.onAttempt?.({ deployment, outcome: 'ok' })
    return result
  } catch (thrown) {
    const late = signal.aborted && !request.signal.aborted
    const error = late ? tooLate(group, thrown) : toGatewayError(thrown)
    if (!request.signal.aborted) noteFailure(asking, deployment, error)
    listener?.onAttempt?.({ deployment, outcome: error.code })
    throw error
  }
}

/** Undefined: the provider keeps the entry's own. */
function timeoutOf({ request, settings }: Asking, { routing }: Deployment): number | undefined {
  const { timeoutMs, streamTimeoutMs } = settings()
  const whole = routing?.hasTimeout === true ? undefined : timeoutMs
  return request.streamed ? (routing?.streamTimeoutMs ?? streamTimeoutMs ?? whole) : whole
}

function noteFailure(asking: Asking, deployment: Deployment, error: GatewayError): void {
  if (verdictOn(error) === 'never' || error.code === 'OVERLOADED' || isAboutTheName(error, deployment)) return
  const { states, clock, log, listener, settings } = asking
  const { id: deploymentId, modelName: model } = deployment
  log.warn({ model, deploymentId, code: error.code, status: error.details.provider?.status }, 'a deployment failed')
  const failures = states.countFailure(deployment)
  if (!coolsAtOnce(error) && failures <= settings().allowedFails) return
  const asked = Math.min(retryAfterMs(error, clock.now()) ?? 0, longestWaitMs)
  const ms = Math.max(deployment.routing?.cooldownMs ?? settings().cooldownMs, asked)
  states.cool(deployment, ms)
  log.warn({ model, deploymentId, ms }, 'a deployment cools down')
  listener?.onCooldown?.({ deployment, ms })
}

/** Grows with every attempt, and differs between those who wait at once. */
async function waitBefore(
  { clock, random, request, settings }: Asking,
  attempts: number,
  error: GatewayError,
): Promise<void> {
  const asked = retryAfterMs(error, clock.now()) ?? 0
  if (asked > longestWaitMs) throw error
  const backoff = Math.min(firstBackoffMs * 2 ** (attempts - 1), longestBackoffMs)
  const jittered = backoff * (1 - random() / 4)
  await sleep(clock, Math.max(jittered, asked, settings().retryAfterMs), request.signal)
  if (request.signal.aborted) throw cancelled(request.signal, error)
}

function tooLate(group: string, cause: unknown): GatewayError {
  return new GatewayError('PROVIDER_TIMEOUT', `The model "${group}" did not answer in time. Try again later.`, {
    cause,
  })
}

function allCooling(group: string): GatewayError {
  return new GatewayError('OVERLOADED', `Everything that serves the model "${group}" failed a moment ago.`)
}

function isAllCooling({ code }: GatewayError): boolean {
  return code === 'OVERLOADED'
}
