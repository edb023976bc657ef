/**
 * What a client reads to find out how to sign in: of which resource (RFC 9728) and at which authorization server (RFC 8414).
 * Built from the path that is asked and the public address, with no look at servers: whether one exists is not told here.
 */
import { mcpScope } from '@toolgate/auth'
import { GatewayError, type JsonObject } from '@toolgate/core'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import type { AppEnv } from '../../app-env.ts'
import { metadataPathOf } from '../../metadata-path.ts'
import { issuerOfPath } from '../../oauth-endpoint.ts'
import { printablePath } from '../../printable-path.ts'
import type { PublicAddress } from '../../public-address.ts'

export function oauthMetadataRoutes({ publicAddress }: { publicAddress: PublicAddress }) {
  const answer = (context: Context<AppEnv>): Response => {
    const { path } = context.req
    // The gateway signs nothing that others could check.
    if (path === '/.well-known/jwks.json') return context.json({ keys: [] })
    const asked = metadataPathOf(path, publicAddress.rootPath)
    if (asked === undefined) throw new GatewayError('ROUTE_NOT_FOUND', `No such document: ${printablePath(path)}`)
    const base = publicAddress.of(context)
    // The address may be the request's own, and a cache must not give it to others.
    context.header('cache-control', 'no-store')
    if (asked.document === 'oauth-protected-resource') return context.json(protectedResource(base, asked.resource))
    const server = authorizationServer(base, asked.issuer)
    return context.json(asked.document === 'openid-configuration' ? { ...server, ...requiredOfOpenId(base) } : server)
  }
  const app = new Hono<AppEnv>().use('/.well-known/*', cors()).get('/.well-known/*', answer)
  // As OpenID Connect has it: behind the path of the issuer or of the endpoint, which are three segments at most.
  for (const path of ['/*', '/*/*', '/*/*/*']) {
    app.get(`${path}/.well-known/*`, (context, next) =>
      metadataPathOf(context.req.path, publicAddress.rootPath) === undefined ? next() : answer(context),
    )
  }
  return app
}

function protectedResource(base: string, path: string): JsonObject {
  return {
    resource: `${base}${path}`,
    authorization_servers: [`${base}${issuerOfPath(path)}`],
    scopes_supported: [mcpScope],
    bearer_methods_supported: ['header'],
    resource_name: 'toolgate',
  }
}

function authorizationServer(base: string, issuerPath: string): JsonObject {
  const issuer = `${base}${issuerPath}`
  const clientAuthentication = ['none', 'client_secret_post', 'client_secret_basic']
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    revocation_endpoint: `${issuer}/revoke`,
    introspection_endpoint: `${issuer}/introspect`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: clientAuthentication,
    revocation_endpoint_auth_methods_supported: clientAuthentication,
    scopes_supported: [mcpScope],
    client_id_metadata_document_supported: true,
    authorization_response_iss_parameter_supported: true,
  }
}

/** OpenID Connect Discovery 1.0 §3: clients that read this document do not take it without. No id tokens are issued. */
function requiredOfOpenId(base: string): JsonObject {
  return {
    jwks_uri: `${base}/.well-known/jwks.json`,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
