import { type Caller, GatewayError } from '@toolgate/core'

/** The admin API's gate: refuses whoever is no administrator, naming the route. */
export function requireAdmin({ principal }: Caller, route: string): void {
  if (principal.admin) return
  throw new GatewayError(
    'ADMIN_ONLY',
    `Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=${route}`,
  )
}

/** The same for `/v1/mcp/server`, which LiteLLM refuses in other words. */
export function requireServerAdmin({ principal }: Caller, what: string): void {
  if (principal.admin) return
  throw new GatewayError(
    'ADMIN_ONLY',
    `User does not have permission to ${what} mcp servers. You can only ${what} mcp servers if you are a PROXY_ADMIN.`,
  )
}
