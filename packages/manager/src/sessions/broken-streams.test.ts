import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { createBrokenStreams, unheardMs } from './broken-streams.ts'

const streamOf = (id: string, sessionId = 'session') => ({ id, sessionId, abandon: vi.fn() })

describe('what goes on behind a broken stream', () => {
  it('ends when nobody came back in time, which begins anew with each return', () => {
    const clock = fakeClock()
    const broken = createBrokenStreams(clock)
    const [left, answered] = [streamOf('left'), streamOf('answered')]
    for (const stream of [left, answered]) broken.add(stream)
    clock.advance(unheardMs - 1)
    broken.cameBack('left')
    broken.delete('answered')
    clock.advance(unheardMs - 1)
    expect(left.abandon).not.toHaveBeenCalled()
    clock.advance(1)
    expect(left.abandon).toHaveBeenCalledOnce()
    expect(answered.abandon).not.toHaveBeenCalled()
    expect(clock.pending).toBe(0)
  })

  it('is bounded in all, whoever it belongs to', () => {
    const broken = createBrokenStreams(fakeClock())
    const streams = Array.from({ length: 1_025 }, (_, index) => streamOf(`${index}`, `session ${index}`))
    for (const stream of streams) broken.add(stream)
    expect(streams.filter(({ abandon }) => abandon.mock.calls.length > 0)).toEqual([streams.at(-1)])
  })
})
