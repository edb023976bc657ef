import { GatewayError } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { principalOf } from '@toolgate/testing/callers'
import { expect, it, vi } from 'vitest'
import { createStandingCallers } from './standing-callers.ts'

const blocked = new GatewayError('KEY_BLOCKED', 'blocked')
const away = new GatewayError('STORE_UNAVAILABLE', 'away')

it('dismisses who may come in no more, once, and neither whom nobody can judge nor who has left', async () => {
  const clock = fakeClock()
  const standing = createStandingCallers(clock)
  const dismissed: string[] = []
  const caller = (name: string, still: () => Promise<ReturnType<typeof principalOf>>) => ({
    still,
    dismiss: (reason: GatewayError) => void dismissed.push(`${name} ${reason.code}`),
  })
  standing.watch(caller('hangs', () => new Promise(() => {})))
  standing.watch(caller('unknown', () => Promise.reject(away)))
  standing.watch(caller('good', async () => principalOf()))
  standing.watch(caller('blocked', () => Promise.reject(blocked)))
  standing.watch(caller('left', () => Promise.reject(blocked)))()
  clock.advance(1_000)
  await vi.waitFor(() => expect(dismissed).toEqual(['blocked KEY_BLOCKED']))

  // One that hangs holds up nobody who comes later.
  standing.watch(caller('later', () => Promise.reject(blocked)))
  clock.advance(1_000)
  await vi.waitFor(() => expect(dismissed).toEqual(['blocked KEY_BLOCKED', 'later KEY_BLOCKED']))
  standing.close()
})
