import { Buffer } from 'node:buffer'
import { describe, expect, it, vi } from 'vitest'
import { createLineReader } from './line-reader.ts'

function reading(maxBytes = 1_000_000) {
  const lines: string[] = []
  const onTooLong = vi.fn<() => void>()
  return { lines, onTooLong, reader: createLineReader({ maxBytes, onLine: (line) => lines.push(line), onTooLong }) }
}

describe('lines of a stream', () => {
  it('are the same whatever the portions they arrive in', () => {
    const text = Buffer.from('{"a":"größer 😀"}\n\nsecond\r\nlast without end')
    for (let size = 1; size <= text.length; size += 1) {
      const { reader, lines } = reading()
      for (let start = 0; start < text.length; start += size) reader.feed(text.subarray(start, start + size))
      expect(lines).toEqual(['{"a":"größer 😀"}', '', 'second\r'])
    }
  })

  it('of any length are read in linear time', () => {
    const { reader, lines } = reading(64 * 1024 * 1024)
    const piece = Buffer.alloc(64, 'x')
    // Searched or copied anew with each portion, this would be two million megabytes of work.
    for (let fed = 0; fed < 32 * 1024 * 1024; fed += piece.length) reader.feed(piece)
    reader.feed(Buffer.from('\n'))
    expect(lines.map(({ length }) => length)).toEqual([32 * 1024 * 1024])
  })

  it('end with the one that outgrows the bound', () => {
    const { reader, lines, onTooLong } = reading(10)
    reader.feed(Buffer.from('1234567890\n12345'))
    reader.feed(Buffer.from('678901'))
    reader.feed(Buffer.from('\nmore\n'))
    expect(lines).toEqual(['1234567890'])
    expect(onTooLong).toHaveBeenCalledOnce()
  })
})
