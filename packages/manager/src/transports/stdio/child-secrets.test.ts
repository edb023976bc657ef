import { Secret } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { withoutSecrets } from '../../upstream/redact.ts'
import { childSecrets } from './child-secrets.ts'

const given = {
  args: ['--header=Authorization: Bearer word-secret', '--key=prefix-env-secret', 'whole-secret'],
  env: { TOKEN: new Secret('env-secret') },
}
const said = 'word-secret prefix-env-secret env-secret whole-secret'

describe('what a child was given', () => {
  it('is kept out of what it says, also a part of an argument, and leaves no rest where one holds another', () => {
    expect(withoutSecrets(said, childSecrets(given, 'stored'))).toBe('[redacted] [redacted] [redacted] [redacted]')
  })

  it('by the file is shown as far as it is an argument', () => {
    expect(withoutSecrets(said, childSecrets(given, 'config'))).toBe(
      'word-secret prefix-[redacted] [redacted] whole-secret',
    )
  })
})
