/**
 * What an issuer publishes of itself: RFC 8414 or OpenID Connect Discovery. For tokens of the gateway itself and for keys of identity
 * providers, which need one address each; sign-ins read whole documents, through the libraries that go on with them.
 */
import type { ReadDocument } from './json-document.ts'

/** Why there is no such address. `another issuer`: the document speaks of somebody else (RFC 8414 §3.3). */
export type NotPublished = 'no address' | 'another issuer' | 'nothing found'

/** What is looked for decides where it is looked for first: OpenID providers have keys, any authorization server has tokens. */
const layouts = {
  token_endpoint: ['oauth-authorization-server', 'openid-configuration', 'openid-configuration appended'],
  jwks_uri: ['openid-configuration appended', 'openid-configuration', 'oauth-authorization-server'],
} as const

/** An http or https address that the issuer publishes under this name, and how the issuer writes its own. */
export async function publishedAddress(
  issuer: string,
  field: keyof typeof layouts,
  read: ReadDocument,
): Promise<{ readonly address: string; readonly issuer: string } | { readonly problem: NotPublished }> {
  const parsed = URL.parse(issuer)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return { problem: 'no address' }
  const path = parsed.pathname.replace(/\/+$/, '')
  const places = layouts[field].map((layout) =>
    layout === 'openid-configuration appended'
      ? `${parsed.origin}${path}/.well-known/openid-configuration`
      : `${parsed.origin}/.well-known/${layout}${path}`,
  )
  for (const place of new Set(places)) {
    const document = await read(place)
    if (document === undefined) continue
    const { issuer: said, [field]: published } = document
    if (typeof said !== 'string' || withoutSlash(said) !== withoutSlash(issuer)) return { problem: 'another issuer' }
    const address = typeof published === 'string' ? URL.parse(published) : null
    if (address !== null && /^https?:$/.test(address.protocol)) return { address: address.href, issuer: said }
  }
  return { problem: 'nothing found' }
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, '')
}
