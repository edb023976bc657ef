import type { KeyLimits } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'

/** The limits of a key that are enforced; undefined where it has none, which costs its calls nothing. */
export function limitsOf(row: VirtualKeyRow): KeyLimits | undefined {
  const { metadata } = row
  const limits: KeyLimits = {
    requestsPerMinute: row.rpmLimit ?? undefined,
    tokensPerMinute: row.tpmLimit ?? undefined,
    modelRequestsPerMinute: numbersIn(metadata['model_rpm_limit']),
    modelTokensPerMinute: numbersIn(metadata['model_tpm_limit']),
    serverCallsPerMinute: numbersIn(metadata['mcp_rpm_limit']),
    parallelRequests: row.maxParallelRequests ?? undefined,
    hasBudget: row.maxBudget === null ? undefined : true,
  }
  return Object.values(limits).some((limit) => limit !== undefined) ? limits : undefined
}

function numbersIn(value: unknown): ReadonlyMap<string, number> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const numbers = Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
  return numbers.length === 0 ? undefined : new Map(numbers)
}
