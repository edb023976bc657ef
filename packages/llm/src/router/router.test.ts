import { type Clock, GatewayError, silentLogger } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it } from 'vitest'
import type { Deployment } from '../deployment.ts'
import { createRouter } from './router.ts'
import { defaultRouterSettings } from './router-settings.ts'

const never = () => Promise.reject(new Error('is not asked here'))
const deployment: Deployment = {
  modelName: 'm',
  upstreamModel: 'm',
  provider: { type: 'fake', generate: never, stream: never },
}

/** A provider that is down for good, asked again seven times: how long each of them was waited for, in milliseconds. */
async function waits(random: number): Promise<readonly number[]> {
  const waited: number[] = []
  const clock: Clock = {
    ...fakeClock(),
    after(ms, run) {
      waited.push(ms)
      queueMicrotask(run)
      return () => {}
    },
  }
  const settings = { ...defaultRouterSettings, retries: 7, allowedFails: 100, timeoutMs: undefined }
  const router = createRouter({
    deployments: () => [deployment],
    settings: () => settings,
    clock,
    random: () => random,
    log: silentLogger,
  })
  const down = new GatewayError('PROVIDER_ERROR', 'down', { details: { provider: { status: 503, body: {} } } })
  const request = { name: 'm', streamed: false, signal: new AbortController().signal }
  await expect(router.run(request, () => Promise.reject(down))).rejects.toBe(down)
  return waited
}

it('waits twice as long each time, up to eight seconds, before it asks the same again', async () => {
  expect(await waits(0)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
})

it('spreads those who wait at once over the last quarter of it', async () => {
  expect(await waits(0.5)).toEqual([437.5, 875, 1_750, 3_500, 7_000, 7_000, 7_000])
  for (const [at, waited] of (await waits(0.999)).entries()) {
    expect(waited).toBeGreaterThan(0.75 * Math.min(500 * 2 ** at, 8_000))
  }
})
