/**
 * Where a client sends a browser: who asks and for what is shown, the person shows a key and says yes or no, and the browser goes
 * back to the client. Every request is asked about anew: no consent is remembered, so none can be used for another client.
 */
import {
  type AuthorizationRequest,
  type AuthorizationServer,
  type Consenter,
  isTrustedRedirect,
  readAuthorizationRequest,
  type RefusedRequest,
} from '@toolgate/auth'
import { GatewayError, Secret } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { audienceOfResource } from '../../oauth-endpoint.ts'
import type { ClientAddress } from '../../client-address.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { oauthErrorOf } from '../../render/oauth.ts'
import { browserOf, markBrowser, refuseForeignForm } from './browser.ts'
import { readForm } from './form.ts'
import type { ConnectDoor, ConnectOptions, WaitingSignIn } from './connect.ts'
import { tryKey } from './key-tries.ts'
import { consentPage, showPage, unlessTooMany } from './page.ts'
import type { PersonDoor } from './person.ts'

export interface AuthorizeOptions {
  readonly server: Pick<
    AuthorizationServer,
    'clients' | 'pending' | 'signIn' | 'people' | 'tokens' | 'limits' | 'relayTickets'
  >
  readonly publicAddress: PublicAddress
  readonly clientAddress: ClientAddress
  readonly live: Pick<LiveConfig, 'current'>
  readonly connectFirst: ConnectDoor['connectFirst']
  readonly person: Pick<PersonDoor, 'leave'>
}

/** Of the parameters, as they stand in an address. */
const longestRequest = 8_192

export interface AuthorizeDoor {
  /** The page. */
  readonly show: (context: Context<AppEnv>, issuer: string) => Promise<Response>
  /** The form of the page. */
  readonly decide: (context: Context<AppEnv>) => Promise<Response>
  /** Of a request that was agreed to, by somebody who is known by now. */
  readonly agreed: (context: Context<AppEnv>, waiting: WaitingSignIn) => Promise<Response>
  /** Of a request that was agreed to, and answered by a server's own authorization server. */
  readonly handOver: ConnectOptions['handOver']
  /** Where the client learns that nobody was let in. */
  readonly declined: (context: Context<AppEnv>, asked: Omit<WaitingSignIn, 'consenter'>) => Promise<string>
  /** Of a request that was agreed to, and waited for the user to connect an account. */
  readonly resume: (context: Context<AppEnv>, waiting: WaitingSignIn, connected: boolean) => Promise<Response>
}

export function createAuthorizeDoor(options: AuthorizeOptions): AuthorizeDoor {
  const { server, publicAddress, person } = options
  const read = createReading(options)
  const { letInOrConnect, ...goingOn } = createGoingOn(options, read)

  const ask = async (
    context: Context<AppEnv>,
    request: AuthorizationRequest,
    { pending, issuer, fault }: { pending: string; issuer: string; fault?: GatewayError },
  ) => {
    const action = `${publicAddress.rootPath}${issuer}/authorize`
    const provider = server.people.label()
    const page = consentPage({ ...request, action, pending, fault: fault?.message, provider })
    return showPage(context, { ...page, ...unlessTooMany(fault) })
  }

  return {
    ...goingOn,
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
      const decision = form.get('decision')
      if (decision !== 'allow' && decision !== 'person') {
        return sendBack(context, request, { error: 'access_denied', iss })
      }
      try {
        if (decision === 'person') return await person.leave(context, { parameters, issuer })
        const shown = new Secret(form.get('key')?.trim() ?? '')
        const address = options.clientAddress(context)
        const signIn = () => server.signIn(shown, context.req.raw.signal)
        const consenter = await tryKey(server.limits.signIns, address, signIn)
        return await letInOrConnect(context, request, { parameters, issuer, consenter })
      } catch (error) {
        if (!(error instanceof GatewayError) || error.blame !== 'caller') throw error
        return ask(context, request, { pending, issuer, fault: error })
      }
    },
  }
}

/** What comes after somebody agreed who is known by now. */
function createGoingOn(options: AuthorizeOptions, read: ReturnType<typeof createReading>) {
  const { publicAddress, connectFirst } = options
  const letIn = createLettingIn(options)
  const issOf = (context: Context<AppEnv>, { issuer }: { issuer: string }) => `${publicAddress.of(context)}${issuer}`

  const letInOrConnect = async (context: Context<AppEnv>, request: AuthorizationRequest, waiting: WaitingSignIn) => {
    const first = await connectFirst(context, { ...waiting, audience: request.audience })
    return first ?? letIn(context, request, { consenter: waiting.consenter, iss: issOf(context, waiting) })
  }

  const agreed: AuthorizeDoor['agreed'] = async (context, waiting) => {
    const request = await read(context, waiting)
    if ('refusal' in request) return refuse(context, request, issOf(context, waiting))
    return letInOrConnect(context, request, waiting)
  }
  const declined: AuthorizeDoor['declined'] = async (context, asked) => {
    const request = await read(context, asked)
    return backTo(request, { error: 'access_denied', iss: issOf(context, asked) })
  }
  const resume: AuthorizeDoor['resume'] = async (context, waiting, connected) => {
    const request = await read(context, waiting)
    const iss = issOf(context, waiting)
    if ('refusal' in request) return refuse(context, request, iss)
    return connected
      ? letIn(context, request, { consenter: waiting.consenter, iss })
      : sendBack(context, request, { error: 'access_denied', iss })
  }
  const handOver: AuthorizeDoor['handOver'] = async (context, waiting, answer) => {
    const request = await read(context, waiting)
    const iss = issOf(context, waiting)
    if ('refusal' in request) return refuse(context, request, iss)
    const { client, redirectUri, codeChallenge, audience } = request
    const bound = { clientId: client.id, consenter: waiting.consenter, redirectUri, codeChallenge, audience }
    const { iss: serversIss, ...answered } = answer
    const ticket = { ...bound, ...answered, ...(serversIss !== undefined && { iss: serversIss }) }
    const code = await options.server.relayTickets.sealCode(ticket)
    return sendBack(context, request, { code: code.reveal(), iss })
  }
  return { letInOrConnect, agreed, declined, resume, handOver }
}

/** The person has agreed: the browser goes back with a code. */
function createLettingIn({ server }: AuthorizeOptions) {
  return async (
    context: Context<AppEnv>,
    request: AuthorizationRequest,
    { consenter, iss }: { readonly consenter: Consenter; readonly iss: string },
  ): Promise<Response> => {
    const code = await server.tokens.newCode(request, consenter)
    return sendBack(context, request, { code: code.reveal(), iss })
  }
}

/** Anew each time: what was registered, trusted and there when the page was shown may not be any more. */
function createReading({ server, publicAddress, clientAddress, live }: AuthorizeOptions) {
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
      { address: clientAddress(context), signal: context.req.raw.signal },
    )
  }
}

function refuse(context: Context<AppEnv>, { refusal, ...request }: RefusedRequest, iss: string): Response {
  if (refusal.blame !== 'caller') throw refusal
  const { error, error_description } = oauthErrorOf(refusal)
  return sendBack(context, request, { error, error_description, iss })
}

type Place = Pick<RefusedRequest, 'redirectUri' | 'state'>

/** RFC 6749 §4.1.2 and RFC 9207. The address stays as the client wrote it. */
function backTo({ redirectUri, state }: Place, answer: Readonly<Record<string, string>>): string {
  const parameters = new URLSearchParams({ ...answer, ...(state !== undefined && { state }) })
  return `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${parameters.toString()}`
}

function sendBack(context: Context<AppEnv>, place: Place, answer: Readonly<Record<string, string>>): Response {
  context.header('cache-control', 'no-store')
  context.header('referrer-policy', 'no-referrer')
  return context.redirect(backTo(place, answer), 303)
}
