import type { CallTrace } from '@toolgate/core'

/** One finished call as the ledger keeps it: who, through which door, what, where, how it ended. Holds no content. */
export interface LedgerRow {
  readonly id: string
  readonly traceId: string
  readonly requestId: string
  readonly door: string
  readonly kind: CallTrace['kind']
  readonly method: string

  readonly principalId: string
  readonly keyHash: string
  readonly keyAlias: string | undefined
  readonly userId: string | undefined
  readonly teamId: string | undefined

  readonly serverId: string | undefined
  readonly serverName: string | undefined
  /** As the caller named it: any text of any length. */
  readonly publicName: string | undefined
  readonly targetName: string | undefined
  readonly credentialType: string | undefined

  readonly model: string | undefined
  readonly provider: string | undefined
  readonly round: number | undefined
  readonly promptTokens: number | undefined
  readonly completionTokens: number | undefined

  readonly stage: CallTrace['stage']
  readonly outcome: NonNullable<CallTrace['outcome']>
  readonly startedAt: Date
  readonly durationMs: number
}
