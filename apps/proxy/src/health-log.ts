import type { Logger } from '@toolgate/core'
import type { Health, HealthChange } from '@toolgate/manager'

/** One line for each change of a server's health or circuit, and none for a call that is refused meanwhile. */
export function logHealth(log: Logger, health: Pick<Health, 'watch'>): void {
  health.watch(({ record: { serverName: server, health: now }, before }) => {
    const { status, circuit, outcome, stage, cause, message } = now
    const line = { server, status, was: before?.status, circuit, outcome, stage, cause, reason: message }
    if (status === 'unhealthy') log.warn(line, sentenceOf(now, before))
    else if (before !== undefined) log.info(line, sentenceOf(now, before))
  })
}

function sentenceOf({ status, circuit }: HealthChange['record']['health'], before: HealthChange['before']): string {
  if (circuit !== 'closed') return 'server is down: calls are refused until it is reached'
  if (status === 'needs_auth') return 'server needs a sign-in'
  if (status === 'healthy') return 'server is back'
  return before?.status === 'unhealthy' ? 'server is still down' : 'server is down'
}
