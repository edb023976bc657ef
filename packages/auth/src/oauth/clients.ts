/** Who the clients are: those that registered (RFC 7591) and those that a document at their own address describes. */
import { type Clock, isJsonObject, type JsonObject, type NewId, Secret } from '@toolgate/core'
import { type ClientMetadata, grantTypesOf, readClientMetadata } from './client-metadata.ts'
import { isClientDocumentAddress, type ReadClientDocument } from './client-documents.ts'
import type { ClientStore } from './client-store.ts'
import { oauthError } from './oauth-error.ts'
import { createRegisteredClients } from './registered-clients.ts'
import { hashToken, newToken } from './tokens.ts'

export interface OauthClient {
  readonly id: string
  /** What it calls itself; anybody may call itself anything. */
  readonly name: string | undefined
  readonly redirectUris: readonly string[]
  readonly refreshable: boolean
  /** Whose document describes it. Absent: it registered, and nobody knows who it is. */
  readonly host: string | undefined
  readonly proof: ClientProof
}

type ClientProof =
  | { readonly method: 'none' }
  | { readonly method: 'client_secret_post' | 'client_secret_basic'; readonly secretHash: string }

/** What a request to the token endpoint says about who it is from. */
export interface PresentedClient {
  readonly id: string | undefined
  readonly secret: Secret | undefined
}

/** On whose behalf a client is looked up. `address`: whose share of what may be asked of others it is. */
export interface Asker {
  readonly address: string
  readonly signal: AbortSignal
}

export interface OauthClients {
  /** The answer to the registration, secret and all. Throws as `readClientMetadata` does. */
  register(body: object, trusts: (redirectUri: string) => boolean): Promise<JsonObject>
  /** Rejects with `invalid_client` where there is none, `TOO_MANY_REQUESTS` for one who asks for many such, and as `ReadClientDocument`. */
  find(id: string, asker: Asker): Promise<OauthClient>
  /** The same for one that must show, where it has a secret, that it is the one. */
  authenticate(presented: PresentedClient, asker: Asker): Promise<OauthClient>
}

export interface OauthClientsOptions {
  readonly store: ClientStore
  readonly readDocument: ReadClientDocument
  readonly clock: Clock
  readonly newId: NewId
}

export function createOauthClients({ store, readDocument, clock, newId }: OauthClientsOptions): OauthClients {
  const findRegistered = createRegisteredClients({ store, clock })
  const find: OauthClients['find'] = async (id, asker) => {
    if (isClientDocumentAddress(id)) return readDocument(id, asker)
    const client = isRegisteredId(id) ? await findRegistered(id, asker) : undefined
    if (client === undefined) throw oauthError('invalid_client', 'There is no such client. Register it again.')
    return client
  }

  return {
    find,
    async register(body, trusts) {
      const metadata = readClientMetadata(body)
      if (!metadata.redirect_uris.some(trusts)) {
        throw oauthError(
          'invalid_redirect_uri',
          'None of the redirect_uris is on loopback or trusted here. The operator can add its origin to MCP_TRUSTED_REDIRECT_ORIGINS, or the address of an application to MCP_TRUSTED_NATIVE_REDIRECT_URIS.',
        )
      }
      const method = methodOf(metadata)
      const secret = method === 'none' ? undefined : newToken('client')
      const createdAt = new Date(clock.now())
      const grantTypes = [...grantTypesOf(metadata)]
      const id = newId('client')
      await store.insert({
        id,
        name: metadata.client_name ?? null,
        redirectUris: metadata.redirect_uris,
        grantTypes,
        tokenEndpointAuthMethod: method,
        secretHash: secret === undefined ? null : hashToken(secret),
        metadata,
        createdAt,
      })
      const registered: unknown = JSON.parse(JSON.stringify(metadata))
      return {
        ...(isJsonObject(registered) && registered),
        client_id: id,
        client_id_issued_at: Math.floor(createdAt.getTime() / 1000),
        token_endpoint_auth_method: method,
        grant_types: grantTypes,
        response_types: ['code'],
        ...(secret !== undefined && { client_secret: secret.reveal(), client_secret_expires_at: 0 }),
      }
    },
    async authenticate({ id, secret }, asker) {
      if (id === undefined) throw oauthError('invalid_client', 'The request names no client.')
      const client = await find(id, asker)
      if (!shows(client.proof, secret))
        throw oauthError('invalid_client', 'The secret of the client is missing or wrong.')
      return client
    },
  }
}

/** Digests are compared in constant time. A public client shows nothing, and what it shows all the same is not looked at. */
function shows(proof: ClientProof, secret: Secret | undefined): boolean {
  if (proof.method === 'none') return true
  return secret !== undefined && new Secret(proof.secretHash).equals(hashToken(secret))
}

/** RFC 7591 §2: without a word it is `client_secret_basic`. What is not spoken here becomes a client without a secret, and it is told so. */
function methodOf({ token_endpoint_auth_method: asked = 'client_secret_basic' }: ClientMetadata) {
  return asked === 'client_secret_post' || asked === 'client_secret_basic' ? asked : 'none'
}

function isRegisteredId(id: string): boolean {
  return /^client_[0-9a-f]{1,64}$/.test(id)
}
