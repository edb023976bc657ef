import { type Caller, GatewayError } from '@toolgate/core'

/** The admin API's one gate: refuses whoever is no administrator, naming the route. */
export function requireAdmin({ principal }: Caller, route: string): void {
  if (principal.admin) return
  throw new GatewayError(
    'ADMIN_ONLY',
    `Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=${route}`,
  )
}
