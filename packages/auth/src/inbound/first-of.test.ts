import { type ErrorCode, GatewayError, Secret } from '@toolgate/core'
import { principalOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import type { Authenticator } from './authenticator.ts'
import { firstOf } from './first-of.ts'

const yields: Authenticator = { name: 'yields', authenticate: async () => undefined }
const knows: Authenticator = { name: 'knows', authenticate: async () => principalOf({ id: 'ada' }) }
const failsWith = (code: ErrorCode): Authenticator => ({
  name: 'fails',
  async authenticate() {
    throw new GatewayError(code, code)
  },
})
const defect: Authenticator = {
  name: 'defect',
  async authenticate() {
    throw new TypeError('a bug')
  },
}

const ask = (...authenticators: Authenticator[]) =>
  firstOf(authenticators).authenticate(new Secret('k'), { signal: new AbortController().signal })

describe('several ways to authenticate', () => {
  it('answer with the first principal, also after a failure', async () => {
    await expect(ask(yields, failsWith('STORE_UNAVAILABLE'), knows)).resolves.toMatchObject({ id: 'ada' })
  })

  it('yield where each of them does', async () => {
    await expect(ask(yields, yields)).resolves.toBeUndefined()
  })

  it.each<[ErrorCode, ErrorCode]>([
    ['STORE_UNAVAILABLE', 'KEY_BLOCKED'],
    ['STORE_UNAVAILABLE', 'CREDENTIAL_INVALID'],
    ['KEY_BLOCKED', 'CREDENTIAL_INVALID'],
    ['KEY_EXPIRED', 'CREDENTIAL_INVALID'],
  ])('fail with %s rather than %s, in whichever order', async (stronger, weaker) => {
    await expect(ask(failsWith(stronger), failsWith(weaker))).rejects.toMatchObject({ code: stronger })
    await expect(ask(failsWith(weaker), yields, failsWith(stronger))).rejects.toMatchObject({ code: stronger })
  })

  it('never turn a defect of one into an invalid credential', async () => {
    await expect(ask(defect, failsWith('CREDENTIAL_INVALID'))).rejects.toMatchObject({
      code: 'INTERNAL',
    })
  })
})
