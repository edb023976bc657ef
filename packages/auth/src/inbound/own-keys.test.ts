import { type Forwarded, nothingForwarded, Secret } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { hashKey } from '../keys/key-format.ts'
import { createOwnKeyFilter, type FindKey } from './own-keys.ts'

const own = 'sk-AAAAAAAAAAAAAAAAAAAAAA'
const custom = 'sk-made;by&hand,and(odd)'
const foreign = 'sk-proj-of-another-vendor-0001'
const { signal } = new AbortController()

/** A store with the two keys above; `asked` are the hashes it was asked for. */
function storeOf({ down = false } = {}) {
  const asked: string[] = []
  const known = new Set([own, custom].map((key) => hashKey(new Secret(key))))
  const find: FindKey = async (hash) => {
    asked.push(hash)
    if (down) throw new Error('down')
    return known.has(hash) ? {} : undefined
  }
  return { asked, find }
}

const secrets = (values: Record<string, string>) =>
  new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)]))

const forwardedOf = (value: string): Forwarded => ({
  authorization: new Secret(value),
  legacyAuth: new Secret(value),
  serverHeaders: secrets({ 'git-x-key': value, 'git-x-other': 'stays' }),
  headers: secrets({ 'x-any': value, 'x-other': 'stays' }),
  cookies: secrets({ sid: value, other: 'stays' }),
})

const filtered = (value: string, { find } = storeOf()) =>
  createOwnKeyFilter({ keys: { find } })(forwardedOf(value), signal)

const onlyTheRest: Forwarded = {
  serverHeaders: secrets({ 'git-x-other': 'stays' }),
  headers: secrets({ 'x-other': 'stays' }),
  cookies: secrets({ other: 'stays' }),
}

describe('a key of this gateway among what is forwarded', () => {
  it.each([
    own,
    `Bearer ${own}`,
    `prefix_${own}`,
    `https://console/?key=${own}&x=1`,
    `{"key":"${own}"}`,
    `Bearer ${foreign}, Bearer ${own}`,
    encodeURIComponent(`Bearer ${own}`),
    `Basic ${Buffer.from(`user:${own}`).toString('base64')}`,
    `Bearer ${custom}`,
  ])('goes nowhere from any position, alone: %s', async (value) => {
    const { authorization, legacyAuth, ...rest } = await filtered(value)
    expect([authorization, legacyAuth]).toEqual([undefined, undefined])
    expect(Object.values(rest).map((map) => [...map.keys()])).toEqual(
      [onlyTheRest.serverHeaders, onlyTheRest.headers, onlyTheRest.cookies].map((map) => [...map.keys()]),
    )
  })

  it('is not looked for in what cannot be one: the usual request asks nobody and is passed as it is', async () => {
    const store = storeOf()
    const filter = createOwnKeyFilter({ keys: store })
    for (const value of ['Bearer eyJhbGciOi', 'sk-short', 'task-0123456789abcdef', 'Basic dXNlcjpwYXNz']) {
      const forwarded = forwardedOf(value)
      expect(await filter(forwarded, signal)).toBe(forwarded)
    }
    expect(store.asked).toEqual([])
  })

  it('is told from another vendor’s, which goes on, and is looked up once a request', async () => {
    const store = storeOf()
    const forwarded = forwardedOf(`Bearer ${foreign}`)
    expect(await createOwnKeyFilter({ keys: store })(forwarded, signal)).toBe(forwarded)
    expect(store.asked).toEqual([hashKey(new Secret(foreign))])
  })

  it('may be any that looks like one while the store is away: none goes on, and it is asked once', async () => {
    const store = storeOf({ down: true })
    const { authorization, headers } = await filtered(`Bearer ${foreign}`, store)
    expect([authorization, [...headers.keys()]]).toEqual([undefined, ['x-other']])
    expect(store.asked).toHaveLength(1)
  })

  it('cannot hide behind many that are none: beyond a bound nothing is looked up and nothing goes on', async () => {
    const store = storeOf()
    const many = Array.from({ length: 1_000 }, (_, index) => [`x-${index}`, `${foreign}${index}`])
    const forwarded = { ...nothingForwarded, headers: secrets({ ...Object.fromEntries(many), 'x-last': own }) }
    const { headers } = await createOwnKeyFilter({ keys: store })(forwarded, signal)
    expect(headers.has('x-last')).toBe(false)
    expect(headers.size).toBe(32)
    expect(store.asked).toHaveLength(32)
  })

  it('ends with the request', async () => {
    const reason = new Error('gone')
    await expect(
      createOwnKeyFilter({ keys: storeOf({ down: true }) })(forwardedOf(own), AbortSignal.abort(reason)),
    ).rejects.toBe(reason)
  })
})
