import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@toolgate/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  forgetFormerEncryptionKey,
  makeNextEncryptionKey,
  resolveSecrets,
  type SecretSources,
} from './generated-secrets.ts'

let dataDirectory: string
beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'toolgate-secrets-'))
})
afterEach(() => rmSync(dataDirectory, { recursive: true }))

const resolve = (given: Partial<SecretSources> = {}) =>
  resolveSecrets({
    masterKey: undefined,
    masterKeyVariable: undefined,
    encryptionKey: undefined,
    saltKey: undefined,
    remoteDatabase: false,
    configFile: '/etc/toolgate.yaml',
    dataDirectory,
    ...given,
  })

describe('generated keys', () => {
  it('are made once, for the owner alone, and are the same at the next start', () => {
    const first = resolve()
    const second = resolve()
    expect(second.masterKey.reveal()).toBe(first.masterKey.reveal())
    expect(second.encryptionKey?.reveal()).toBe(first.encryptionKey?.reveal())
    expect(first.masterKey.reveal()).toMatch(/^sk-[\w-]{32}$/)
    expect(Buffer.from(first.encryptionKey?.reveal() ?? '', 'base64')).toHaveLength(32)
    for (const name of ['master-key', 'encryption-key']) {
      expect(statSync(join(dataDirectory, name)).mode & 0o777).toBe(0o600)
    }
  })

  it('are not made where keys are given', () => {
    const masterKey = new Secret('sk-given')
    const { encryptionKey } = resolve({ masterKey, saltKey: new Secret('a salt key of 16 letters') })
    expect(encryptionKey).toBeUndefined()
    expect(() => readFileSync(join(dataDirectory, 'master-key'))).toThrow('ENOENT')
    expect(() => readFileSync(join(dataDirectory, 'encryption-key'))).toThrow('ENOENT')
  })

  it('are never made for a database that other gateways share', () => {
    expect(() => resolve({ remoteDatabase: true })).toThrow(/master key must be given/)
    expect(() => resolve({ remoteDatabase: true, masterKey: new Secret('sk-given') })).toThrow(/encryption key must be/)
  })
})

it('a master key that no header could carry is refused, and not shown', () => {
  for (const text of ['words that open every door', 'sk-schlüssel-für-alle', `sk-${'long'.repeat(3_000)}`]) {
    expect(() => resolve({ masterKey: new Secret(text) })).toThrow(
      /^The master key must be of visible ASCII characters/,
    )
  }
})

describe('the next encryption key', () => {
  const kept = (name: string) => readFileSync(join(dataDirectory, name), 'utf8').trim()

  it('stands beside the former one until that is forgotten, and is made once', () => {
    const former = resolve().encryptionKey?.reveal()
    expect(resolve().formerEncryptionKey).toBeUndefined()
    makeNextEncryptionKey(dataDirectory)
    const next = kept('encryption-key')
    expect([next === former, kept('encryption-key.previous')]).toEqual([false, former])
    makeNextEncryptionKey(dataDirectory)
    const { encryptionKey, formerEncryptionKey } = resolve()
    expect([encryptionKey?.reveal(), formerEncryptionKey?.reveal()]).toEqual([next, former])
    expect(statSync(join(dataDirectory, 'encryption-key.previous')).mode & 0o777).toBe(0o600)
    forgetFormerEncryptionKey(dataDirectory)
    expect(resolve().formerEncryptionKey).toBeUndefined()
  })

  it('is still to make where the machine stopped after the former one was put aside', () => {
    const former = resolve().encryptionKey?.reveal() ?? ''
    writeFileSync(join(dataDirectory, 'encryption-key.previous'), former)
    makeNextEncryptionKey(dataDirectory)
    expect([kept('encryption-key') === former, kept('encryption-key.previous')]).toEqual([false, former])
  })
})

describe('a key file', () => {
  it.each([
    ['master-key', '', /master-key is empty/],
    ['master-key', ' \n', /master-key is empty/],
    ['master-key', 'two words', /master-key is damaged/],
    ['encryption-key', 'hush', /encryption-key is damaged: it must hold 32 bytes in base64/],
  ])('%s that holds %j ends the start, without a word of it', (name, content, message) => {
    writeFileSync(join(dataDirectory, name), content)
    expect(() => resolve()).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }))
    expect(() => resolve()).toThrow(message)
    expect(() => resolve()).not.toThrow(/hush|two words/)
    expect(readFileSync(join(dataDirectory, name), 'utf8')).toBe(content)
  })

  it('may be one that a person wrote', () => {
    writeFileSync(join(dataDirectory, 'master-key'), 'sk-1234\n')
    expect(resolve().masterKey.reveal()).toBe('sk-1234')
  })

  it('that is a folder, or in a folder that cannot be, ends the start with the reason of the system', () => {
    mkdirSync(join(dataDirectory, 'master-key'))
    expect(() => resolve()).toThrow(/^Cannot keep a key in .*\/master-key: the system says EISDIR\.$/)
    const file = join(dataDirectory, 'file')
    writeFileSync(file, '')
    expect(() => resolve({ dataDirectory: join(file, 'data') })).toThrow(/: the system says ENOTDIR\.$/)
  })

  it.runIf(process.getuid?.() !== 0)('that may not be read ends the start with the reason of the system', () => {
    writeFileSync(join(dataDirectory, 'master-key'), 'sk-1234\n')
    chmodSync(join(dataDirectory, 'master-key'), 0o000)
    expect(() => resolve()).toThrow(/: the system says EACCES\.$/)
  })
})

describe('the place of the master key', () => {
  const given = new Secret('sk-given')

  it('is its file, the variable that holds it, or the configuration where that says something else', () => {
    expect(resolve().masterKeyPlace).toEqual({ kind: 'file', path: join(dataDirectory, 'master-key') })
    expect(resolve({ masterKey: given, masterKeyVariable: new Secret('sk-given') }).masterKeyPlace).toEqual({
      kind: 'variable',
    })
    for (const masterKeyVariable of [undefined, new Secret('sk-other')]) {
      expect(resolve({ masterKey: given, masterKeyVariable }).masterKeyPlace).toEqual({
        kind: 'configuration',
        path: '/etc/toolgate.yaml',
      })
    }
  })
})
