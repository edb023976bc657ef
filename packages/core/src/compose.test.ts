import { describe, expect, it } from 'vitest'
import { compose, type Layer } from './compose.ts'

describe('compose', () => {
  it('makes the first layer the outermost', async () => {
    const steps: string[] = []
    const stamp =
      (name: string): Layer<string, string> =>
      async (call, next) => {
        steps.push(`> ${name}`)
        const result = await next(call)
        steps.push(`< ${name}`)
        return result
      }
    const run = compose([stamp('first'), stamp('second')], async (call) => call.toUpperCase())
    expect(await run('call')).toBe('CALL')
    expect(steps).toEqual(['> first', '> second', '< second', '< first'])
  })

  it('never reaches the centre past a layer that refuses', async () => {
    let reached = false
    const refuse: Layer<string, string> = () => Promise.reject(new Error('refused'))
    const run = compose([refuse], async (call) => {
      reached = true
      return call
    })
    await expect(run('call')).rejects.toThrow('refused')
    expect(reached).toBe(false)
  })
})
