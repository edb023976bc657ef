import {
  type Clock,
  GatewayError,
  loopLimitsSchema,
  type Principal,
  requiredApprovalSchema,
  toLoopLimits,
  toRequiredApproval,
} from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { type DefaultAccess, grantsOf } from '../keys/grants.ts'
import type { KeyCache } from '../keys/key-cache.ts'
import { limitsOf } from '../keys/limits-of.ts'

/**
 * Who a virtual key is, by its hash, whatever proved that the caller has it. The row may be a second old; expiry is judged by
 * the clock at every use.
 */
export interface KeyAdmission {
  /** Undefined where there is no such key. Rejects with `KEY_BLOCKED`, `KEY_EXPIRED` or `STORE_UNAVAILABLE`. */
  admit(hash: string, signal: AbortSignal): Promise<Principal | undefined>
}

export interface KeyAdmissionOptions {
  readonly keys: Pick<KeyCache, 'find'>
  /** `general_settings.mcp_default_access`; asked anew for each request, since a reload may change it. */
  readonly defaultAccess: () => DefaultAccess
  readonly clock: Clock
}

export function createKeyAdmission({ keys, defaultAccess, clock }: KeyAdmissionOptions): KeyAdmission {
  // A row is replaced as a whole when it changes, so what was made of it holds as long as it does.
  const principals = new WeakMap<VirtualKeyRow, { readonly principal: Principal; readonly access: DefaultAccess }>()

  const principalOf = (row: VirtualKeyRow): Principal => {
    const access = defaultAccess()
    const known = principals.get(row)
    if (known?.access === access) return known.principal
    const principal = toPrincipal(row, access)
    principals.set(row, { principal, access })
    return principal
  }

  return {
    async admit(hash, signal) {
      const row = await keys.find(hash, signal)
      if (row === undefined) return undefined
      refuseUnusable(row, clock.now())
      const principal = principalOf(row)
      return row.hash === hash ? principal : { ...principal, formerKeyHash: hash }
    },
  }
}

/** Throws for a key that nobody may use now. */
export function refuseUnusable({ blocked, disabledReason, expires }: VirtualKeyRow, now: number): void {
  if (blocked) throw new GatewayError('KEY_BLOCKED', "Key is blocked. Update via `/key/unblock` if you're an admin.")
  if (disabledReason !== null) {
    throw new GatewayError('KEY_BLOCKED', 'Key is blocked. It was removed from the configuration of the gateway.')
  }
  if (expires === null || expires.getTime() > now) return
  throw new GatewayError(
    'KEY_EXPIRED',
    `Authentication Error - Expired Key. Key Expiry time ${expires.toISOString()} and current time ${new Date(now).toISOString()}`,
  )
}

export function toPrincipal(row: VirtualKeyRow, defaultAccess: DefaultAccess): Principal {
  return {
    source: 'virtual_key',
    id: row.userId ?? row.hash,
    keyHash: row.hash,
    keyAlias: row.keyAlias ?? undefined,
    userId: row.userId ?? undefined,
    teamId: row.teamId ?? undefined,
    admin: false,
    grants: grantsOf(row, defaultAccess),
    autoTools: row.autoTools,
    toolSearch: row.objectPermission?.mcp_tool_search_enabled === true,
    limits: limitsOf(row),
    ...loopLimitsOf(row),
    ...requiredApprovalOf(row),
    ...guardrailsOf(row),
  }
}

function guardrailsOf({ metadata }: VirtualKeyRow): Pick<Principal, 'guardrails'> {
  const { guardrails, disable_global_guardrails: withoutDefaults } = metadata
  const names = Array.isArray(guardrails) ? guardrails.filter((name) => typeof name === 'string') : []
  if (names.length === 0 && withoutDefaults !== true) return {}
  return { guardrails: { names, withoutDefaults: withoutDefaults === true } }
}

/** Checked when it was written. What somebody wrote past that is taken for the strictest: an unchecked call is what it is to prevent. */
function requiredApprovalOf({ metadata }: VirtualKeyRow): Pick<Principal, 'requiredApproval'> {
  const written = metadata['mcp_require_approval']
  if (written == null) return {}
  const parsed = requiredApprovalSchema.safeParse(written)
  return { requiredApproval: parsed.success ? toRequiredApproval(parsed.data) : 'always' }
}

/** Checked when they were written; what somebody wrote past that says nothing. */
function loopLimitsOf({ metadata }: VirtualKeyRow): Pick<Principal, 'loopLimits'> {
  const written = metadata['mcp_limits']
  const parsed = written == null ? undefined : loopLimitsSchema.safeParse(written)
  return parsed?.success === true ? { loopLimits: toLoopLimits(parsed.data) } : {}
}
