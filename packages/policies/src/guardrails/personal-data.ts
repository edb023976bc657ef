import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { guardFindings, searchFor } from './findings.ts'
import type { GuardrailOptions } from './guardrail.ts'
import { longestPersonalData, personalData, personalDataKinds } from './personal-data-kinds.ts'

/** Masks personal data, or denies calls with it; LiteLLM's `pii_entities_config` says which. Nothing leaves the gateway. */
export const personalDataGuardrail = definePlug({
  type: 'pii',
  schema: z.object({
    pii_entities_config: z.partialRecord(z.enum(personalDataKinds), z.enum(['MASK', 'BLOCK'])).optional(),
  }),
  create({ pii_entities_config: wanted }, _options: GuardrailOptions) {
    const kinds = personalDataKinds.filter((kind) => wanted === undefined || wanted[kind] !== undefined)
    return guardFindings(
      kinds.map((kind) => searchFor(personalData[kind], kind, wanted?.[kind] === 'BLOCK' ? undefined : `<${kind}>`)),
      longestPersonalData,
    )
  },
})
