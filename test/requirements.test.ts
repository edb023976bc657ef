import { globSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { requirements } from './requirements.ts'

const root = new URL('..', import.meta.url).pathname
const citations = new Set(
  globSync(['test/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'], { cwd: root })
    .map((file) => readFileSync(root + file, 'utf8'))
    .flatMap((text) => [...text.matchAll(/verifies\(\s*'([^']+)'/g)])
    .map(([, id]) => id),
)
const entries = Object.entries(requirements)

describe('requirements', () => {
  it('are each cited by a test once they are held', () => {
    const uncited = entries.filter(([id, { status }]) => status === 'held' && !citations.has(id)).map(([id]) => id)
    expect(uncited).toEqual([])
  })

  it('are not cited while they are only planned', () => {
    const early = entries.filter(([id, { status }]) => status === 'planned' && citations.has(id)).map(([id]) => id)
    expect(early).toEqual([])
  })

  it('are the only ids that tests cite', () => {
    expect([...citations].filter((id) => id === undefined || !(id in requirements))).toEqual([])
  })

  it('answer each of the known pains exactly once', () => {
    const pains = entries.flatMap(([, requirement]) => ('pain' in requirement ? [requirement.pain] : []))
    expect(pains.toSorted((left, right) => left - right)).toEqual(Array.from({ length: 43 }, (_, index) => index + 1))
  })
})
