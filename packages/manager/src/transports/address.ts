/** An address as admins may see it: user info and query can hold credentials. */
export function withoutCredentials(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}
