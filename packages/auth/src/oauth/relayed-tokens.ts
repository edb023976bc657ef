/**
 * The token endpoint for servers whose clients hold the server's own tokens: what a client shows is checked as for a token of the
 * gateway, then the server's authorization server is asked, and its tokens are handed on. The refresh token stays sealed: it is of
 * no use to anybody else, nor anywhere else.
 */
import { type JsonObject, type RelayedTokens, Secret, type ServerDefinition } from '@toolgate/core'
import { single } from './authorization-request.ts'
import type { OauthClient } from './clients.ts'
import { oauthError } from './oauth-error.ts'
import type { RelayTickets } from './relay-tickets.ts'
import { challengeOf, notGranted, required } from './token-form.ts'

export interface RelayedExchange {
  readonly form: URLSearchParams
  /** Known to be the one. */
  readonly client: OauthClient
  /** As in `AuthorizationContext`. */
  readonly audienceOf: (resource: string) => string | undefined
  readonly signal: AbortSignal
}

/** Undefined where what was shown is none of a relay's: then it is the gateway's own. Rejects in the words of OAuth. */
export type ExchangeRelayed = (exchange: RelayedExchange) => Promise<JsonObject | undefined>

export interface RelayedTokensOptions {
  readonly tickets: RelayTickets
  /** By id. */
  readonly serverOf: (id: string) => ServerDefinition | undefined
}

export function createRelayedTokens({ tickets, serverOf }: RelayedTokensOptions): ExchangeRelayed {
  const relayAt = (id: string) => {
    const server = serverOf(id)
    if (server?.auth.relay === undefined) throw notGranted()
    return { server, relay: server.auth.relay }
  }

  const forCode = async (exchange: RelayedExchange, text: string) => {
    const { form, client, signal } = exchange
    const ticket = await tickets.openCode(text)
    const redirectUri = required(form, 'redirect_uri')
    const challenge = challengeOf(required(form, 'code_verifier'))
    const isTheirs =
      ticket?.clientId === client.id &&
      ticket.redirectUri === redirectUri &&
      new Secret(ticket.codeChallenge).equals(challenge)
    if (!isTheirs) throw notGranted()
    refuseElsewhere(exchange, ticket)
    const { server, relay } = relayAt(ticket.server)
    return { ticket, tokens: await relay.finish({ server, signal }, { ...ticket, iss: ticket.iss }) }
  }

  const forRefresh = async (exchange: RelayedExchange, text: string) => {
    const { client, signal } = exchange
    const ticket = await tickets.openRefresh(text)
    if (ticket?.clientId !== client.id) throw notGranted()
    refuseElsewhere(exchange, ticket)
    const { server, relay } = relayAt(ticket.server)
    const shown = { refresh: new Secret(ticket.refresh), kept: ticket.kept }
    return { ticket, tokens: await relay.refresh({ server, signal }, shown) }
  }

  return async (exchange) => {
    const { form, client } = exchange
    const kind = single(form, 'grant_type')
    const code = single(form, 'code') ?? ''
    const refresh = single(form, 'refresh_token') ?? ''
    const got =
      kind === 'authorization_code' && tickets.isCode(code)
        ? await forCode(exchange, code)
        : kind === 'refresh_token' && tickets.isRefresh(refresh)
          ? await forRefresh(exchange, refresh)
          : undefined
    if (got === undefined) return undefined
    const { ticket, tokens } = got
    if (tokens === undefined) throw notGranted()
    const { server, audience } = ticket
    return answer(tokens, async (refreshToken) =>
      tickets.sealRefresh({
        server,
        audience,
        clientId: client.id,
        refresh: refreshToken.reveal(),
        kept: tokens.kept,
      }),
    )
  }
}

/** RFC 8707 §2.2: before anybody is asked, so that a mistake does not cost the code. */
function refuseElsewhere({ form, audienceOf }: RelayedExchange, { audience }: { readonly audience: string }): void {
  const resource = single(form, 'resource', 'invalid_target')
  if (resource === undefined || audienceOf(resource) === audience) return
  throw oauthError('invalid_target', '"resource" is not the endpoint that was signed in to.')
}

async function answer(
  { access, refresh, lifetimeMs, scopes }: RelayedTokens,
  seal: (refresh: Secret) => Promise<Secret>,
): Promise<JsonObject> {
  return {
    access_token: access.reveal(),
    token_type: 'Bearer',
    ...(lifetimeMs !== undefined && { expires_in: Math.floor(lifetimeMs / 1000) }),
    ...(scopes !== undefined && { scope: scopes.join(' ') }),
    ...(refresh !== undefined && { refresh_token: (await seal(refresh)).reveal() }),
  }
}
