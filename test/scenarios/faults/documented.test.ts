import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../../', import.meta.url).pathname
const lines = readFileSync(`${root}docs/failure-modes.md`, 'utf8').split('\n')

const citation = /`([^`]+\.test\.ts)` “([^”]+)”/g

interface Citation {
  readonly file: string
  readonly title: string
}

const citationsIn = (text: string): Citation[] =>
  [...text.matchAll(citation)].map(([, file = '', title = '']) => ({ file, title }))

const quotes = `['"\`]`

/**
 * Whether a test has this title, or one that begins with it, or is a row of a table of tests by that name: a comment that
 * says the same is no proof.
 */
function hasTest(source: string, title: string): boolean {
  const escaped = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  const call = String.raw`\b(?:it|test|verifies|verifies\.\w+|it\.\w+)\(\s*(?:${quotes}[\w:.-]+${quotes},\s*)?${quotes}[^'"\`\n]*${escaped}`
  const row = String.raw`(?:\b(?:child|dying|name:|http|row|\w+\()|\(|\[)\s*${quotes}${escaped}`
  return new RegExp(call).test(source) || new RegExp(row).test(source)
}

/** Rows of tables whose last column is for the tests. */
const rows = lines.filter((line) => line.startsWith('|') && lines.indexOf(line) > lines.indexOf('## Reaching a server'))
const facts = rows.filter((line) => !/^\| (When|---)/.test(line))

describe('docs/failure-modes.md', () => {
  it('names a test in every row', () => {
    expect(facts.length).toBeGreaterThan(40)
    expect(facts.filter((row) => citationsIn(row).length === 0)).toEqual([])
  })

  it('names no test that is not there', () => {
    const missing = citationsIn(lines.join('\n')).filter(
      ({ file, title }) => !existsSync(root + file) || !hasTest(readFileSync(root + file, 'utf8'), title),
    )
    expect(missing).toEqual([])
  })
})
