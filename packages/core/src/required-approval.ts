import { z } from 'zod'

/**
 * Tools of which a key has no call run without somebody's yes, whatever its requests and the servers say: all, or those named, with
 * the server's prefix or without.
 */
export type RequiredApproval = 'always' | ReadonlySet<string>

/** Tools that one key may name. */
const mostNames = 1_000

/** `mcp_require_approval` as keys write it. */
export const requiredApprovalSchema = z.union([z.literal('always'), z.array(z.string().min(1)).max(mostNames)])

export function toRequiredApproval(written: z.output<typeof requiredApprovalSchema>): RequiredApproval {
  return written === 'always' ? written : new Set(written)
}
