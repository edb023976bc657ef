/** An OAuth server for the examples: `oidc-provider` with one machine client. It signs access tokens as JWT, for one resource each. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { listen, type Listening } from './listen.ts'

export interface AuthorizationServer extends Listening {
  readonly tokenUrl: string
  /** How often its token endpoint was asked. */
  readonly tokenRequests: number
  /** What a person ends up with who signs in for this resource: a login page would be too long for an example. */
  tokenOf(person: string, resource: string): Promise<string>
}

export interface MachineClient {
  readonly id: string
  readonly secret: string
}

const scope = 'tools'
/** Seconds. */
const lifetime = 300

export async function startAuthorizationServer({ id, secret }: MachineClient): Promise<AuthorizationServer> {
  let tokenRequests = 0
  let answer: (request: IncomingMessage, response: ServerResponse) => Promise<void> = async () => {}
  const listening = await listen(
    createServer((request, response) => {
      if (request.url === '/token') tokenRequests += 1
      void answer(request, response).catch(() => response.destroy())
    }),
  )
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const provider = new Provider(listening.origin, {
    clients: [
      {
        client_id: id,
        client_secret: secret,
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'example' }] },
    scopes: [scope],
    ttl: { ClientCredentials: lifetime, AccessToken: lifetime },
    cookies: { keys: ['of an example, where nobody signs in'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => resourceServer(resource),
      },
    },
  })
  answer = provider.callback()
  return {
    ...listening,
    tokenUrl: `${listening.origin}/token`,
    get tokenRequests() {
      return tokenRequests
    },
    async tokenOf(person, resource) {
      const client = await provider.Client.find(id)
      if (client === undefined) throw new Error('the client is gone')
      const token = new provider.AccessToken({ accountId: person, client, scope, grantId: person, gty: 'example' })
      token.resourceServer = new provider.ResourceServer(resource, resourceServer(resource))
      return token.save()
    },
  }
}

function resourceServer(audience: string) {
  return { scope, audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } } as const
}
