/**
 * Where the users of a server sign in, and as which client of the gateway: what the operator wrote, else what the server publishes,
 * else a registration. A client secret of the operator's goes where the operator points and never where only the server does.
 */
import {
  discoverAuthorizationServerMetadata,
  discoverOAuthServerInfo,
  type FetchLike,
  registerClient,
} from '@modelcontextprotocol/client'
import { GatewayError, type OwnAddresses } from '@toolgate/core'
import { coversResource } from '../discovery/protected-resource.ts'
import { challengeOf } from './challenge.ts'
import { ownClient } from './own-client.ts'
import { type TokenParty, tokenPartySchema } from './token-party.ts'
import type { SignInAt } from './upstream-client.ts'

/** RFC 9728, then RFC 8414; what the operator wrote comes before what is found. */
export async function discover(at: SignInAt, fetchFn: FetchLike) {
  const { address, client } = at
  const { issuer: named, authorizationUrl, tokenUrl } = client
  const isLookedFor = named === undefined && (authorizationUrl === undefined || tokenUrl === undefined)
  const { scope, ...where } = isLookedFor ? await challengeOf(address, fetchFn) : {}
  const found = isLookedFor ? await discoverOAuthServerInfo(address, { fetchFn, ...where }) : undefined
  const resource = client.resource ?? resourceOf(address, found?.resourceMetadata?.resource)
  const issuer = named ?? found?.authorizationServerUrl ?? new URL(tokenUrl ?? address).origin
  const published =
    found?.authorizationServerMetadata ??
    (named === undefined ? undefined : await discoverAuthorizationServerMetadata(named, { fetchFn }))
  const said = tokenPartySchema.shape.metadata.parse({
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    issuer,
    authorization_endpoint: `${issuer.replace(/\/$/, '')}/authorize`,
    token_endpoint: `${issuer.replace(/\/$/, '')}/token`,
    ...published,
    ...(authorizationUrl !== undefined && { authorization_endpoint: authorizationUrl }),
    ...(tokenUrl !== undefined && { token_endpoint: tokenUrl }),
  })
  const isEndpoint = isPointedTo(said.revocation_endpoint, client)
  const metadata = isEndpoint ? said : { ...said, revocation_endpoint: undefined }
  requirePointed(at, issuer)
  const registrationUrl = published?.registration_endpoint
  const readsDocuments = published?.['client_id_metadata_document_supported'] === true
  const scopes = scope?.split(' ') ?? found?.resourceMetadata?.scopes_supported ?? []
  const isGuessed = named === undefined && found === undefined
  return {
    issuer,
    ...(isGuessed && { issuerIsGuessed: true }),
    metadata,
    registrationUrl,
    readsDocuments,
    resource,
    scopes,
  }
}

/**
 * Tokens, and the client's secret, are shown there: where the operator says what the token endpoint is, a server's own word is not
 * enough to send them elsewhere.
 */
function isPointedTo(url: string | undefined, { issuer, tokenUrl }: SignInAt['client']): boolean {
  if (url === undefined || issuer !== undefined || tokenUrl === undefined) return true
  return URL.parse(url)?.origin === new URL(tokenUrl).origin
}

/** A resource that speaks of another place is none of this server's (RFC 9728 §3.3). */
function resourceOf(address: string, said: string | undefined): string | undefined {
  if (said === undefined) return undefined
  if (coversResource(said, address)) return said
  throw new Error('the metadata of the server speaks of another resource')
}

/** As for tokens of the gateway itself: to `token_url`, to what the `issuer` publishes, or to the server's own origin. */
export function requirePointed({ name, address, client }: SignInAt, issuer: string): void {
  const { clientId, clientSecret, issuer: named, tokenUrl } = client
  const sendsSecret = clientId !== undefined && clientSecret !== undefined
  if (!sendsSecret || named !== undefined || tokenUrl !== undefined) return
  if (new URL(issuer).origin === new URL(address).origin) return
  throw new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `Only the MCP server "${name}" names its authorization server, and a client secret is not sent there on its word. ` +
      'An administrator must set issuer or token_url.',
    { details: { server: name, stage: 'credential' } },
  )
}

interface Registration {
  readonly issuer: string
  readonly metadata: TokenParty['metadata']
  readonly registrationUrl: string | undefined
  /** It takes a client whose id is the address of a document. */
  readonly readsDocuments: boolean
  readonly fetchFn: FetchLike
  readonly own: OwnAddresses
}

/**
 * The operator's client, else one that the gateway registers for this user and server alone, else the one that its document describes.
 * In that order: whether strangers can read a document here is not known, and who registers need not be reached.
 */
export async function clientFor({ name, client }: SignInAt, registration: Registration): Promise<TokenParty['client']> {
  const { clientId, clientSecret } = client
  if (clientId !== undefined) return { client_id: clientId, client_secret: clientSecret?.reveal() }
  const { issuer, metadata, registrationUrl, readsDocuments, fetchFn, own } = registration
  if (registrationUrl === undefined && readsDocuments && own.document !== undefined) return { client_id: own.document }
  if (registrationUrl === undefined) {
    throw new GatewayError(
      'UPSTREAM_SIGN_IN_REQUIRED',
      `Server "${name}" lets no client register itself. An administrator must register one there and set client_id.`,
      { details: { server: name } },
    )
  }
  const { client_id, client_secret } = await registerClient(issuer, {
    metadata: { ...metadata, registration_endpoint: registrationUrl },
    fetchFn,
    clientMetadata: ownClient(own.redirectUri),
  })
  return { client_id, client_secret }
}
