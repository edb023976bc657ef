/**
 * The token endpoint for servers whose clients hold the server's own tokens: what a client shows is checked as for a token of the
 * gateway, and that whoever consented may still use the server; then the server's authorization server is asked, and its tokens are
 * handed on. The refresh token stays sealed: it is of no use to anybody else, nor anywhere else.
 */
import { type JsonObject, type RelayedTokens, Secret, type ServerDefinition } from '@toolgate/core'
import { single } from './authorization-request.ts'
import type { OauthClient } from './clients.ts'
import type { Consenter } from './consenters.ts'
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

/** What clients ask with tokens of servers. Both reject in the words of OAuth. */
export interface RelayedTokenDoors {
  /** Undefined where what was shown is none of a relay's: then it is the gateway's own. */
  exchange(exchange: RelayedExchange): Promise<JsonObject | undefined>
  /** False where the token is none of a relay's. Nothing is said of one that is another client's, or has ended. */
  revoke(token: string, client: OauthClient, signal: AbortSignal): Promise<boolean>
}

export interface RelayedTokensOptions {
  readonly tickets: RelayTickets
  /** By id. */
  readonly serverOf: (id: string) => ServerDefinition | undefined
  /** Whether whoever consented may use it at this moment. Rejects where that cannot be found out. */
  readonly mayUse: (consenter: Consenter, server: ServerDefinition, signal: AbortSignal) => Promise<boolean>
}

export function createRelayedTokens({ tickets, serverOf, mayUse }: RelayedTokensOptions): RelayedTokenDoors {
  const relayAt = async (ticket: { server: string; consenter: Consenter }, signal: AbortSignal) => {
    const server = serverOf(ticket.server)
    if (server?.auth.relay === undefined) throw notGranted()
    if (!(await mayUse(ticket.consenter, server, signal))) throw notGranted()
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
    const { server, relay } = await relayAt(ticket, signal)
    const tokens = await relay.finish({ server, signal }, { ...ticket, iss: ticket.iss })
    return { ticket: { ...ticket, until: tickets.endOf(ticket.consenter) }, tokens }
  }

  const forRefresh = async (exchange: RelayedExchange, text: string) => {
    const { client, signal } = exchange
    const ticket = await tickets.openRefresh(text)
    if (ticket?.clientId !== client.id) throw notGranted()
    refuseElsewhere(exchange, ticket)
    const { server, relay } = await relayAt(ticket, signal)
    const shown = { refresh: new Secret(ticket.refresh), kept: ticket.kept }
    return { ticket, tokens: await relay.refresh({ server, signal }, shown) }
  }

  const exchange = async (asked: RelayedExchange) => {
    const { form, client } = asked
    const kind = single(form, 'grant_type')
    const code = single(form, 'code') ?? ''
    const refreshToken = single(form, 'refresh_token') ?? ''
    const got =
      kind === 'authorization_code' && tickets.isCode(code)
        ? await forCode(asked, code)
        : kind === 'refresh_token' && tickets.isRefresh(refreshToken)
          ? await forRefresh(asked, refreshToken)
          : undefined
    if (got === undefined) return undefined
    const { ticket, tokens } = got
    if (tokens === undefined) throw notGranted()
    const { server, audience, consenter, until } = ticket
    const bound = { server, audience, consenter, until, clientId: client.id, kept: tokens.kept }
    return answer(tokens, async (refresh) => tickets.sealRefresh({ ...bound, refresh: refresh.reveal() }))
  }

  return { exchange, revoke: createRevocation({ tickets, serverOf }) }
}

/** Whoever has a token may end it, also when it is of no more use here: it may well be at the server. */
function createRevocation({
  tickets,
  serverOf,
}: Pick<RelayedTokensOptions, 'tickets' | 'serverOf'>): RelayedTokenDoors['revoke'] {
  return async (token, client, signal) => {
    if (!tickets.isRefresh(token)) return false
    const ticket = await tickets.openRefresh(token)
    if (ticket?.clientId !== client.id) return true
    const server = serverOf(ticket.server)
    const shown = { refresh: new Secret(ticket.refresh), kept: ticket.kept }
    const hasEnded = server?.auth.relay !== undefined && (await server.auth.relay.revoke({ server, signal }, shown))
    if (hasEnded) return true
    // RFC 7009 §2.2.1: a success would say that it has ended.
    throw oauthError('unsupported_token_type', 'The server that this token is for takes no token back.')
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
