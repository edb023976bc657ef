import { describe, expect, it } from 'vitest'
import { besides } from './besides.ts'

const hanging = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('ended')), { once: true })
  })
const { signal } = new AbortController()

describe('a call beside which somebody judges', () => {
  it('that fails waits for no judgement', async () => {
    const run = async () => {
      throw new Error('failed')
    }
    await expect(besides({ judge: hanging, run, signal })).rejects.toThrow('failed')
  })

  it('that is denied ends, and says why', async () => {
    const judge = async () => {
      throw new Error('denied')
    }
    await expect(besides({ judge, run: hanging, signal })).rejects.toThrow('denied')
  })

  it('that succeeds is shown once it was judged', async () => {
    const judged = Promise.withResolvers<void>()
    const result = besides({ judge: () => judged.promise, run: async () => 'done', signal })
    expect(await Promise.race([result, Promise.resolve('waiting')])).toBe('waiting')
    judged.resolve()
    expect(await result).toBe('done')
  })
})
