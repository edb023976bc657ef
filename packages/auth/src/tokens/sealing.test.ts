import { randomBytes } from 'node:crypto'
import { Secret } from '@toolgate/core'
import { decodeProtectedHeader } from 'jose'
import { describe, expect, it } from 'vitest'
import { createSealer, deriveSealingKey, parseEncryptionKey } from './sealing.ts'

const subject = 'mcp_servers:one'
const newKey = () => parseEncryptionKey(new Secret(randomBytes(32).toString('base64')))

describe('sealing', () => {
  it('gives back what was sealed, and never the same text twice', async () => {
    const sealer = createSealer({ keys: [newKey()] })
    const [first, second] = [
      await sealer.seal(new Secret('grüße'), subject),
      await sealer.seal(new Secret('grüße'), subject),
    ]
    expect(first).not.toBe(second)
    expect((await sealer.open(first, subject)).reveal()).toBe('grüße')
    expect((await sealer.open(second, subject)).reveal()).toBe('grüße')
  })

  it('writes the id of the key into every value', async () => {
    const key = newKey()
    const sealed = await createSealer({ keys: [key] }).seal(new Secret('x'), subject)
    expect(decodeProtectedHeader(sealed)).toMatchObject({ alg: 'dir', enc: 'A256GCM', kid: key.id })
  })

  it('seals with the first key and opens with all', async () => {
    const [former, current] = [newKey(), newKey()]
    const old = await createSealer({ keys: [former] }).seal(new Secret('old'), subject)
    const sealer = createSealer({ keys: [current, former] })
    expect((await sealer.open(old, subject)).reveal()).toBe('old')
    expect(sealer.keyId).toBe(current.id)
    expect(decodeProtectedHeader(await sealer.seal(new Secret('new'), subject)).kid).toBe(current.id)
  })

  it('says that the key is missing where no key fits', async () => {
    const sealed = await createSealer({ keys: [newKey()] }).seal(new Secret('x'), subject)
    await expect(createSealer({ keys: [newKey()] }).open(sealed, subject)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('key that is not configured'),
    })
  })

  it('does not open a value under what it does not belong to', async () => {
    const sealer = createSealer({ keys: [newKey()] })
    const sealed = await sealer.seal(new Secret('x'), subject)
    await expect(sealer.open(sealed, 'mcp_servers:two')).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it('refuses an altered value and what was never sealed', async () => {
    const sealer = createSealer({ keys: [newKey()] })
    const parts = (await sealer.seal(new Secret('some text'), subject)).split('.')
    const altered = parts
      .with(
        3,
        (parts[3] ?? '').replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
      )
      .join('.')
    for (const value of [altered, 'plain', '']) {
      await expect(sealer.open(value, subject)).rejects.toMatchObject({ code: 'INTERNAL' })
    }
  })
})

describe('keys from the environment', () => {
  const bytes = randomBytes(32)

  it('reads 32 bytes in base64 and base64url, padded or not, as the same key', () => {
    const texts = [bytes.toString('base64'), bytes.toString('base64url'), `${bytes.toString('base64url')}=\n`]
    expect(new Set(texts.map((text) => parseEncryptionKey(new Secret(text)).id)).size).toBe(1)
  })

  it.each(['', 'short', randomBytes(31).toString('base64'), randomBytes(33).toString('base64'), '!'.repeat(44)])(
    'refuses %j, saying how to make one and not what it was',
    (text) => {
      expect(() => parseEncryptionKey(new Secret(text))).toThrow(/TOOLGATE_ENCRYPTION_KEY must be 32 bytes.*openssl/)
    },
  )

  it('derives the same key from the same salt key, another from another', () => {
    const [first, again, other] = ['sk-salt-key-of-16', 'sk-salt-key-of-16', 'sk-salt-key-of-17'].map(
      (text) => deriveSealingKey(new Secret(text)).id,
    )
    expect(first).toBe(again)
    expect(first).not.toBe(other)
  })

  it('refuses a salt key of fewer than 16 characters', () => {
    expect(() => deriveSealingKey(new Secret('fifteen-letters'))).toThrow(/at least 16 characters/)
  })

  it('tells nothing of the key in its id', () => {
    expect(bytes.toString('base64url')).not.toContain(parseEncryptionKey(new Secret(bytes.toString('base64'))).id)
  })
})
