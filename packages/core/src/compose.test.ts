import { describe, expect, it } from 'vitest'
import { compose, composeAround, type Layer } from './compose.ts'

describe('compose around', () => {
  it('gives every call its own centre, within the same layers', async () => {
    const twice: Layer<string, string> = async (call, next) => `[${await next(`${call}!`)}]`
    const around = composeAround([twice, twice])
    expect(await around('a', async (call) => call.toUpperCase())).toBe('[[A!!]]')
    expect(await around('b', async (call) => call)).toBe('[[b!!]]')
    expect(await composeAround<string, string>([])('c', async (call) => call)).toBe('c')
  })
})

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
