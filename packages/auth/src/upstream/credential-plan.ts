/** Which credential a call would present, told without presenting it: names of headers and never a value. */
import type { Principal, Secret, ServerDefinition } from '@toolgate/core'
import { ownerOf } from '../user-tokens/user-tokens.ts'
import { missingVariables as missingVariablesOf, setVariables } from './user-variables.ts'

export interface CredentialPlan {
  /** Whose it is. `missing`: the server wants a credential of the caller's and the request brings none. */
  readonly source:
    | 'caller'
    | 'user_token'
    | 'user_key'
    | 'user_variables'
    | 'exchanged_token'
    | 'gateway'
    | 'static_headers'
    | 'missing'
    | 'none'
  /** How it is come by, in the words of LiteLLM's `x-mcp-debug-auth-resolution` where it has one. */
  readonly resolution: string
  /** The server's `auth_type`. */
  readonly authType: string
  /** Names of the headers that the caller's request would add. */
  readonly fromCaller: readonly string[]
  /** Names of the headers that the operator wrote. */
  readonly fromOperator: readonly string[]
  /** Names of variables that the server declares and the user has not set. */
  readonly missingVariables: readonly string[]
}

type Entries = readonly (readonly [string, Secret])[]

export interface PlannedHeaders {
  /** What the request brings for this server: by name, or as the `Authorization` that the server declares. */
  readonly brought: Entries
  /** Some of it was brought for this server by name. */
  readonly byName: boolean
  /** Everything of the request that goes there. */
  readonly fromCaller: Entries
}

/** As far as the request and the server alone say it. */
export function planOf(server: ServerDefinition, headers: PlannedHeaders): CredentialPlan {
  return {
    ...sourceOf(server, headers),
    authType: server.auth.type,
    fromCaller: headers.fromCaller.map(([name]) => name),
    fromOperator: [...server.staticHeaders.keys()],
    missingVariables: [],
  }
}

/** Where nothing was brought the account that the user has connected comes next. Asks the store. */
export async function withUserToken(
  plan: CredentialPlan,
  { server, principal, brought }: { server: ServerDefinition; principal: Principal; brought: Entries },
): Promise<CredentialPlan> {
  const owner = ownerOf(principal)
  if (brought.length > 0) return plan
  if (server.auth.userKey !== undefined) {
    const held = owner === undefined ? undefined : await server.auth.userKey.read(server, owner)
    return held === undefined ? { ...plan, ...missing } : { ...plan, source: 'user_key', resolution: 'per-user-key' }
  }
  if (owner === undefined) return plan
  const status = await server.auth.userTokens?.status(server, owner)
  return status?.needsSignIn === false ? { ...plan, source: 'user_token', resolution: 'per-user-token' } : plan
}

const missing = { source: 'missing', resolution: 'missing' } as const

/** Without all of the variables that the server declares no request is made, whatever credential there is. */
export async function withVariables(
  plan: CredentialPlan,
  { server, principal }: { server: ServerDefinition; principal: Principal },
): Promise<CredentialPlan> {
  if (server.userVariables === undefined) return plan
  const { values } = await setVariables(server, ownerOf(principal))
  const missingVariables = missingVariablesOf(server, values)
  if (missingVariables.length > 0) return { ...plan, ...missing, missingVariables }
  const isAllThereIs = plan.source === 'static_headers' || plan.source === 'none'
  return isAllThereIs ? { ...plan, source: 'user_variables', resolution: 'per-user-variables' } : plan
}

function sourceOf(
  { auth, staticHeaders }: ServerDefinition,
  { brought, byName, fromCaller }: PlannedHeaders,
): Pick<CredentialPlan, 'source' | 'resolution'> {
  if (brought.length > 0) {
    return { source: 'caller', resolution: byName ? 'per-request-header' : 'oauth2-passthrough' }
  }
  if (auth.type !== 'none' && !auth.needsUserToken) {
    return { source: 'gateway', resolution: auth.resolution ?? 'static-token' }
  }
  if (fromCaller.length > 0) return { source: 'caller', resolution: 'extra-headers' }
  if (auth.needsUserToken && !staticHeaders.has('authorization')) return missing
  return staticHeaders.size > 0
    ? { source: 'static_headers', resolution: 'static-headers' }
    : { source: 'none', resolution: 'no-auth' }
}
