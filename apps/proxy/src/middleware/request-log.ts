import type { Clock, Logger, NewId } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { doorOf } from '../door.ts'
import { IdentifiedResponse } from '../identified-response.ts'
import type { Metrics } from '../metrics.ts'
import { mayHoldOwnSecret, printablePath } from '../printable-path.ts'
import { requestHeader } from '../request-header.ts'
import type { Passage } from './joined.ts'

/** A client's own request id is kept where it is short and plain, so that it cannot forge lines or flood the log. */
const saneRequestId = /^[\w.:-]{1,128}$/

/** Gives every request an id, and when it has been answered writes one log line and counts it. */
export function requestLog({
  clock,
  log,
  metrics,
  newId,
}: {
  clock: Clock
  log: Logger
  metrics: Metrics
  newId: NewId
}): Passage {
  return async function requestLog(context, next) {
    const started = clock.monotonic()
    const presented = requestHeader(context, 'x-request-id')
    const requestId = presented !== undefined && isSane(presented) ? presented : newId('req')
    context.set('requestId', requestId)
    answerWith(context, { 'x-request-id': requestId, 'x-litellm-call-id': requestId })
    await next()
    const milliseconds = clock.monotonic() - started
    const { method, path } = context.req
    const { status } = context.res
    const door = doorOf(path)
    metrics.observeRequest({ door, method, status, seconds: milliseconds / 1000 })
    log.info(
      {
        requestId,
        door,
        method,
        path: printablePath(path),
        status,
        milliseconds: Math.round(milliseconds * 100) / 100,
      },
      'request',
    )
  }
}

/** No key that was put into the wrong header, either. */
function isSane(requestId: string): boolean {
  return saneRequestId.test(requestId) && !mayHoldOwnSecret(requestId)
}

/** Behind the server headers go straight to the answer: a `Headers` for each would have to be copied and sorted there. */
function answerWith(context: Context<AppEnv>, headers: Readonly<Record<string, string>>): void {
  const { outgoing } = context.env ?? {}
  if (outgoing instanceof IdentifiedResponse) outgoing.ownHeaders = headers
  else for (const [name, value] of Object.entries(headers)) context.header(name, value)
}
