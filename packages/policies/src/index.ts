export type { LedgerStore } from './batch-writer.ts'
export { createLedger, type Ledger, type LedgerLimits, type LedgerOptions, ledgerLimits } from './ledger.ts'
export { createPostgresLedgerStore } from './ledger.postgres.ts'
export type { LedgerRow } from './ledger-row.ts'
export { createRecorder, type RecorderOptions } from './record.ts'
export { guardCalls } from './guardrails/call-ring.ts'
export type { Guarding } from './guardrails/enforce.ts'
export type { GuardrailOptions } from './guardrails/guardrail.ts'
export {
  guardrailEntrySchema,
  guardrailParamsSchema,
  type NamedGuardrail,
  toGuardrail,
} from './guardrails/guardrail-entry.ts'
export { guardrailPlugs } from './guardrails/guardrail-plugs.ts'
export { createGuardrailSet, type GuardrailSet } from './guardrails/guardrail-set.ts'
export { guardModelCalls } from './guardrails/model-ring.ts'
export { createKeyLimiter } from './limits/key-limiter.ts'
export { createKeySpend, type KeySpend } from './limits/key-spend.ts'
export { limitCalls, type Limiting, limitModelCalls } from './limits/limit-rings.ts'
