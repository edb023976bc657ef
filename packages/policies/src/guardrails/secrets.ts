import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { type Finding, guardFindings } from './findings.ts'
import type { GuardrailOptions } from './guardrail.ts'

/**
 * Keys, tokens and passwords in the forms of those who give them out, as secretlint's recommended rules know them. Loaded when
 * first used; nothing leaves the gateway.
 */
export const secretsGuardrail = definePlug({
  type: 'hide-secrets',
  schema: z.object({ action: z.enum(['MASK', 'BLOCK']).default('MASK') }),
  create({ action }, _options: GuardrailOptions) {
    const mask = action === 'BLOCK' ? undefined : '[REDACTED]'
    const find = async (text: string) => (await findSecrets(text)).map((place) => ({ ...place, mask }))
    return guardFindings([{ find, asWritten: true }], longestSecret)
  },
})

/** A private RSA key of 4,096 bits as text. */
const longestSecret = 4_096

async function findSecrets(text: string): Promise<Finding[]> {
  const [{ lintSource }, { secretLintProfiler }, { creator }] = await Promise.all([
    import('@secretlint/core'),
    import('@secretlint/profiler'),
    import('@secretlint/secretlint-rule-preset-recommend'),
  ])
  // It measures every rule on every text, and keeps what it measured for as long as the process lives.
  secretLintProfiler.setEnabled(false)
  const { messages } = await lintSource({
    source: { filePath: 'text.txt', content: text, contentType: 'text', ext: '.txt' },
    options: { config: { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator }] } },
  })
  return messages
    .filter(({ type }) => type === 'message')
    .map(({ range: [start, end], ruleId }) => ({ start, end, rule: nameOf(ruleId) }))
}

/** `@secretlint/secretlint-rule-github` → `a github secret`. */
function nameOf(ruleId: string): string {
  const kind = /secretlint-rule-(.+)$/.exec(ruleId)?.[1] ?? ''
  return kind.startsWith('preset') || kind === '' ? 'a secret' : `a ${kind} secret`
}
