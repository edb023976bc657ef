import { UriTemplate } from '@modelcontextprotocol/client'
import { describe, expect, it } from 'vitest'
import { fitsAny } from './uri-template.ts'

const templates = [
  'note://{day}',
  'note://{day}/{+rest}',
  'note://by-day/{day}.md',
  'file:///{path*}',
  'file://{/path*}',
  'file://{/path}{.kind}',
  'x:{a}{b}',
  'x:{+a}{b}y',
  'x:{a*},{b*}/',
  'x:{#part}',
  'api://search{?q,page}',
  'api://search?lang=en{&q*}',
  'x:{a,b}',
  'x:{ a }',
  'x:(.+)[{a}]',
  'plain://text',
  '{+any}',
  'x:{?}',
  'x:{open',
  'x:{}',
  '',
]

const uris = [
  'note://monday',
  'note://',
  'note://a/b/c',
  'note://by-day/monday.md',
  'note://by-day/.md',
  'file:///a,b,c',
  'file:///a,,c',
  'file:///a,',
  'file:///,a',
  'file:///a/b',
  'file:///a.txt',
  'file:///a.b.txt',
  'x:ab',
  'x:a',
  'x:',
  'x:a,b',
  'x:a,b,c/',
  'x:a,b,c,/',
  'x:aby',
  'x:a\nby',
  'x:#part',
  'x:(.+)[z]',
  'api://search?q=cats&page=2',
  'api://search?q=cats',
  'api://search?q=&page=2',
  'api://search?lang=en&q=1&q=2',
  'plain://text',
  'plain://texts',
  '😀',
  '',
]

function fitsSdk(template: string, uri: string): boolean {
  try {
    return new UriTemplate(template).match(uri) !== null
  } catch {
    // No template.
    return false
  }
}

describe('URI templates', () => {
  it('fit what the official SDK finds to fit', () => {
    const differing = templates.flatMap((template) =>
      uris.filter((uri) => fitsAny([template], uri) !== fitsSdk(template, uri)).map((uri) => ({ template, uri })),
    )
    expect(differing).toEqual([])
    expect(templates.filter((template) => uris.some((uri) => fitsAny([template], uri))).length).toBeGreaterThan(14)
  })

  it('are looked through as many as a list has, but not for ever', () => {
    const plain = Array.from({ length: 10_000 }, (_, index) => `note://folder-${index}/{day}/{name}.md`)
    expect(fitsAny(plain, 'note://folder-9999/monday/standup.md')).toBe(true)
    const costly = Array.from({ length: 1_000 }, () => `${'{+a}'.repeat(1_000)}/`)
    expect(fitsAny([undefined, 7, costly[0], 'x{a}'], 'x'.repeat(100))).toBe(true)
    expect(fitsAny([...costly, 'x{a}'], 'x'.repeat(100))).toBe(false)
  })
})
