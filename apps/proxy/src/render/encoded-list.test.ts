import { serverDefinition } from '@toolgate/testing/server-definition'
import { describe, expect, it, vi } from 'vitest'
import { encodingLists } from './encoded-list.ts'

const server = serverDefinition()
const itemsNamed = (...names: string[]) => names.map((publicName) => ({ server, publicName, definition: { é: 1 } }))

describe('a list as JSON', () => {
  it('is written once for each array, and what stands beside it each time', () => {
    const shape = vi.fn(({ publicName, definition }) => ({ ...definition, name: publicName }))
    const encode = encodingLists(shape)
    const items = itemsNamed('a', 'b')
    const read = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString())
    const tools = [
      { é: 1, name: 'a' },
      { é: 1, name: 'b' },
    ]
    for (const age of [1, 1, 2]) expect(read(encode(items, { age }))).toEqual({ tools, age })
    expect(shape).toHaveBeenCalledTimes(2)
    expect(read(encode([], { error: null }))).toEqual({ tools: [], error: null })
  })

  it('is kept within the bound, the one that was asked for last', () => {
    const shape = vi.fn(({ publicName }) => ({ name: publicName }))
    const encode = encodingLists(shape, { maxBytes: 100 })
    const [one, two, three] = [itemsNamed('a'), itemsNamed('b'), itemsNamed('c')]
    for (const items of [one, two, one, three, one]) encode(items, { is: 'forty bytes' })
    expect(shape).toHaveBeenCalledTimes(3)
    encode(two, { is: 'forty bytes' })
    expect(shape).toHaveBeenCalledTimes(4)
    const large = itemsNamed('x'.repeat(100))
    for (const _ of [1, 2]) encode(large, { is: 'forty bytes' })
    expect(shape).toHaveBeenCalledTimes(6)
  })
})
