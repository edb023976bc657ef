import { Secret } from '@toolgate/core'

/** An address as admins may see it: user info and query can hold credentials. */
export function withoutCredentials(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

/** What in an address may be a credential, in every spelling in which a server may quote it. */
export function addressSecrets(url: string | URL): readonly Secret[] {
  const { username, password, search, searchParams } = new URL(url)
  const query = search.slice(1)
  const raw = query.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1))
  const userInfo = [`${username}:${password}`, password, username]
  const basic = Buffer.from(userInfo.map(decoded)[0] ?? '').toString('base64')
  const spellings = [...userInfo, ...raw].flatMap((text) => [text, decoded(text)])
  const texts = new Set([query, decoded(query), basic, ...spellings, ...searchParams.values()])
  // The longest first: a part of it taken out would leave the rest standing.
  return [...texts].toSorted((one, other) => other.length - one.length).map((text) => new Secret(text))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A lone percent sign: it is what it says.
    return text
  }
}
