import { GatewayError } from '@toolgate/core'
import { expect, it } from 'vitest'
import { causeOf } from './cause.ts'

const failure = (cause: unknown, details = {}) => new GatewayError('UPSTREAM_UNREACHABLE', 'down', { cause, details })
const coded = (code: unknown, cause?: unknown) => Object.assign(new Error('text', { cause }), { code })

it.each([
  ['the innermost of a chain', failure(coded('UND_ERR_SOCKET', coded('ECONNRESET'))), 'ECONNRESET'],
  ['a name that is unknown', failure(failure(coded('ENOTFOUND'))), 'ENOTFOUND'],
  [
    'a refusal of the guard',
    failure(new GatewayError('UPSTREAM_UNREACHABLE', 'no', { internal: 'ADDRESS_REFUSED' })),
    'ADDRESS_REFUSED',
  ],
  ['the exit of a child', failure(undefined, { exit_code: 1 }), 'EXIT_1'],
  ['the signal that ended a child', failure(undefined, { exit_signal: 'SIGKILL' }), 'SIGKILL'],
])('names %s', (_, error, expected) => {
  expect(causeOf(error)).toBe(expected)
})

it('takes no text for a word, nor our own codes', () => {
  for (const code of ['Bearer secret', 'secret', 42, undefined]) expect(causeOf(failure(coded(code)))).toBeUndefined()
  expect(causeOf(failure(failure(undefined)))).toBeUndefined()
})

it('follows a chain that has no end only so far', () => {
  const endless = coded('secret')
  endless.cause = endless
  expect(causeOf(endless)).toBeUndefined()
})
