/**
 * Where a client sends a browser: who asks and for what is shown, the person shows a key and says yes or no, and the browser goes
 * back to the client. Every request is asked about anew: no consent is remembered, so none can be used for another client.
 */
import {
  type AuthorizationRequest,
  type AuthorizationServer,
  isTrustedRedirect,
  readAuthorizationRequest,
  type RefusedRequest,
} from '@toolgate/auth'
import { GatewayError, Secret } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { audienceOfResource } from '../../oauth-endpoint.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { oauthErrorOf } from '../../render/oauth.ts'
import { browserOf, markBrowser, refuseForeignForm } from './browser.ts'
import { readForm } from './form.ts'
import type { ConnectDoor, WaitingSignIn } from './connect.ts'
import { consentPage, showPage } from './page.ts'
import { addressOf } from './peer-address.ts'

export interface AuthorizeOptions {
  readonly server: Pick<AuthorizationServer, 'clients' | 'pending' | 'signIn' | 'tokens' | 'limits'>
  readonly publicAddress: PublicAddress
  readonly live: Pick<LiveConfig, 'current'>
  readonly connectFirst: ConnectDoor['connectFirst']
}

/** Of the parameters, as they stand in an address. */
const longestRequest = 8_192

export interface AuthorizeDoor {
  /** The page. */
  readonly show: (context: Context<AppEnv>, issuer: string) => Promise<Response>
  /** The form of the page. */
  readonly decide: (context: Context<AppEnv>) => Promise<Response>
  /** Of a request that was agreed to, and waited for the user to connect an account. */
  readonly resume: (context: Context<AppEnv>, waiting: WaitingSignIn, connected: boolean) => Promise<Response>
}

export function createAuthorizeDoor(options: AuthorizeOptions): AuthorizeDoor {
  const { server, publicAddress, connectFirst } = options
  const read = createReading(options)

  const ask = async (
    context: Context<AppEnv>,
    request: AuthorizationRequest,
    { pending, issuer, fault }: { pending: string; issuer: string; fault?: string },
  ) => {
    const action = `${publicAddress.rootPath}${issuer}/authorize`
    return showPage(context, consentPage({ ...request, action, pending, fault }))
  }

  const letIn = createLettingIn(options)

  return {
    async show(context, issuer) {
      const { search } = new URL(context.req.url)
      if (search.length > longestRequest) throw new GatewayError('PAYLOAD_TOO_LARGE', 'The request is too long.')
      const parameters = new URLSearchParams(search)
      const request = await read(context, { parameters, issuer })
      const base = publicAddress.of(context)
      if ('refusal' in request) return refuse(context, request, `${base}${issuer}`)
      const pending = await server.pending.seal({ parameters, issuer }, markBrowser(context, base))
      return ask(context, request, { pending, issuer })
    },
    async decide(context) {
      const base = publicAddress.of(context)
      refuseForeignForm(context, base)
      const form = await readForm(context)
      const pending = form.get('request') ?? ''
      const { parameters, issuer } = await server.pending.open(pending, browserOf(context, base))
      const request = await read(context, { parameters, issuer })
      const iss = `${base}${issuer}`
      if ('refusal' in request) return refuse(context, request, iss)
      if (form.get('decision') !== 'allow') return sendBack(context, request, { error: 'access_denied', iss })
      try {
        server.limits.signIns.count(addressOf(context))
        const keyHash = await server.signIn(new Secret(form.get('key')?.trim() ?? ''), context.req.raw.signal)
        const waiting = { parameters, issuer, keyHash }
        const first = await connectFirst(context, { ...waiting, audience: request.audience })
        return first ?? (await letIn(context, request, { keyHash, iss }))
      } catch (error) {
        if (!(error instanceof GatewayError) || error.blame !== 'caller') throw error
        return ask(context, request, { pending, issuer, fault: error.message })
      }
    },
    async resume(context, { parameters, issuer, keyHash }, connected) {
      const request = await read(context, { parameters, issuer })
      const iss = `${publicAddress.of(context)}${issuer}`
      if ('refusal' in request) return refuse(context, request, iss)
      return connected
        ? letIn(context, request, { keyHash, iss })
        : sendBack(context, request, { error: 'access_denied', iss })
    },
  }
}

/** The person has agreed: the browser goes back with a code. */
function createLettingIn({ server }: AuthorizeOptions) {
  return async (
    context: Context<AppEnv>,
    request: AuthorizationRequest,
    { keyHash, iss }: { readonly keyHash: string; readonly iss: string },
  ): Promise<Response> => {
    const code = await server.tokens.newCode(request, keyHash)
    return sendBack(context, request, { code: code.reveal(), iss })
  }
}

/** Anew each time: what was registered, trusted and there when the page was shown may not be any more. */
function createReading({ server, publicAddress, live }: AuthorizeOptions) {
  return (context: Context<AppEnv>, { parameters, issuer }: { parameters: URLSearchParams; issuer: string }) => {
    const base = publicAddress.of(context)
    const { trustedRedirects } = live.current.environment
    return readAuthorizationRequest(
      parameters,
      {
        clients: server.clients,
        trusts: (uri) => isTrustedRedirect(uri, trustedRedirects, new URL(base).origin),
        audienceOf: (resource) => audienceOfResource(resource, { base, issuer }),
      },
      context.req.raw.signal,
    )
  }
}

function refuse(context: Context<AppEnv>, { refusal, ...request }: RefusedRequest, iss: string): Response {
  if (refusal.blame !== 'caller') throw refusal
  const { error, error_description } = oauthErrorOf(refusal)
  return sendBack(context, request, { error, error_description, iss })
}

/** RFC 6749 §4.1.2 and RFC 9207. The address stays as the client wrote it. */
function sendBack(
  context: Context<AppEnv>,
  { redirectUri, state }: Pick<RefusedRequest, 'redirectUri' | 'state'>,
  answer: Readonly<Record<string, string>>,
): Response {
  const parameters = new URLSearchParams({ ...answer, ...(state !== undefined && { state }) })
  context.header('cache-control', 'no-store')
  context.header('referrer-policy', 'no-referrer')
  return context.redirect(`${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${parameters.toString()}`, 303)
}
