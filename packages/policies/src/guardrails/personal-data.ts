import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { guardFindings } from './findings.ts'
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
    return guardFindings(async (text) => {
      const found = await Promise.all(
        kinds.map(async (kind) =>
          (await personalData[kind](text)).map((place) => ({
            ...place,
            rule: kind,
            mask: wanted?.[kind] === 'BLOCK' ? undefined : `<${kind}>`,
          })),
        ),
      )
      return found.flat()
    }, longestPersonalData)
  },
})
