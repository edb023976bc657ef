/** RFC 9728 §3.3: metadata count for the resource that they name, and for what is below it in the same tree. */
export function coversResource(named: string, address: string): boolean {
  const above = URL.parse(named)
  const below = new URL(address)
  if (above?.origin !== below.origin) return false
  const path = above.pathname.replace(/\/+$/, '')
  return below.pathname === path || below.pathname.startsWith(`${path}/`)
}
