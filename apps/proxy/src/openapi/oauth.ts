import { z } from 'zod'
import type { Operation } from './operation.ts'

const authorizationRequest = z.object({
  response_type: z.literal('code'),
  client_id: z.string(),
  redirect_uri: z.string().optional(),
  code_challenge: z.string(),
  code_challenge_method: z.literal('S256'),
  state: z.string().optional(),
  resource: z.string().optional(),
  scope: z.string().optional(),
})
const registration = z.object({ redirect_uris: z.array(z.string()), client_name: z.string().optional() })

/** Of every route here: what is asked for is in the store, or at somebody else's. */
const away = { 503: 'The store, the host of a client’s document or the identity provider is away' }
const strangers = { ...away, 429: 'Too many ids from this address that are no client’s' }
const typed = { ...away, 429: 'Too many keys from this address that are none, or ids that are no client’s' }
const registering = { ...away, 429: 'Too many registrations, from this address or in all' }

const actions: Readonly<Record<string, Operation>> = {
  'GET /authorize': {
    summary: 'The page on which a person lets an MCP client in',
    query: authorizationRequest,
    isPublic: true,
    contentType: 'text/html',
    later: strangers,
  },
  'POST /authorize': { summary: 'The form of that page', isPublic: true, contentType: 'text/html', later: typed },
  'POST /token': { summary: 'Tokens for a code or a refresh token (a form)', isPublic: true, later: strangers },
  'POST /register': {
    summary: 'Registration of an MCP client',
    body: registration,
    isPublic: true,
    later: registering,
  },
  'POST /revoke': { summary: 'End a grant by one of its tokens (a form)', isPublic: true, later: strangers },
  'POST /introspect': {
    summary: 'What a token is good for, for its key and for administrators (a form)',
    later: away,
  },
}

const server = z.object({ server: z.string() })

/** The authorization server, for everything and below the name of one server. */
export const oauthOperations: Readonly<Record<string, Operation>> = {
  ...actions,
  'GET /connect/{name}': {
    summary: 'The page on which a user connects an account at a server',
    path: z.object({ name: z.string() }),
    isPublic: true,
    contentType: 'text/html',
  },
  'POST /connect': { summary: 'The form of that page', isPublic: true, contentType: 'text/html', later: typed },
  'GET /callback': {
    summary: 'Where servers send users back to',
    isPublic: true,
    contentType: 'text/html',
    later: away,
  },
  'GET /connect/{server}/callback': {
    summary: 'The same, for the authorization server of one that has a callback of its own',
    path: server,
    isPublic: true,
    contentType: 'text/html',
    later: away,
  },
  'GET /connect/{server}/client.json': {
    summary: 'The gateway as a client of the authorization server of one (a client id metadata document)',
    path: server,
    isPublic: true,
  },
  'GET /sso/callback': {
    summary: 'Where the identity provider sends people back to',
    isPublic: true,
    contentType: 'text/html',
    later: away,
  },
  ...Object.fromEntries(
    Object.entries(actions).map(([route, operation]) => [
      route.replace(' ', ' /{server}'),
      { ...operation, path: server },
    ]),
  ),
}
