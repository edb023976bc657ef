import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { boot, type Booted } from '../boot.ts'
import { base, browse, wayOn } from '../scenarios/oauth-browser.ts'

/** The suite knows its client by the address of a document alone; here it is the operator who says so. */
const documentOfSuite = 'https://conformance-test.local/client-metadata.json'

export interface SignInScenario {
  readonly scenario: string
  readonly context: JsonObject
  readonly database: Database
}

/**
 * The scenarios of a client suite that are about signing in, as a gateway meets them: a user connects an account at the suite's
 * server with a browser, then calls its tools through the gateway.
 */
export async function playSignIn(url: string, { scenario, context, database }: SignInScenario): Promise<void> {
  if (scenario.startsWith('auth/client-credentials')) return playOwnToken(url, context, database)
  const { client_id, client_secret } = context
  // A secret is sent to nobody whom the operator does not name.
  const issuer = typeof client_secret === 'string' ? await publishedIssuer(url) : undefined
  const registered = {
    ...(typeof client_id === 'string' && { client_id }),
    ...(typeof client_secret === 'string' && { client_secret }),
    ...(scenario === 'auth/basic-cimd' && { client_id: documentOfSuite }),
  }
  await using gateway = await boot({
    database,
    env: { PROXY_BASE_URL: base },
    config: {
      // What the suite's server names as its authorization server is on loopback, and no address of an operator's.
      general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] },
      mcp_servers: {
        judge: {
          url,
          auth_type: 'oauth2',
          oauth2_flow: 'authorization_code',
          ...registered,
          ...(issuer && { issuer }),
        },
      },
    },
  })
  const key = await gateway.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['judge'] } })
  await connect(gateway, key)
  try {
    await callEverything(gateway, key)
  } catch {
    // As a person does who reads that there is a sign-in to do.
    await connect(gateway, key)
    await callEverything(gateway, key)
  }
}

/** The extension for tokens of the client itself. */
async function playOwnToken(url: string, context: JsonObject, database: Database): Promise<void> {
  const { client_id, client_secret, private_key_pem, signing_algorithm } = context
  const proof =
    client_secret === undefined
      ? { client_private_key: private_key_pem, client_assertion_signing_alg: signing_algorithm }
      : { client_secret, token_endpoint_auth_method: 'client_secret_basic', issuer: await publishedIssuer(url) }
  const flow = { auth_type: 'oauth2', oauth2_flow: 'client_credentials' }
  await using gateway = await boot({
    database,
    config: {
      general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] },
      mcp_servers: { judge: { url, ...flow, client_id, ...proof } },
    },
  })
  await callEverything(gateway, gateway.masterKey)
}

/** What an operator reads there before writing it down. */
async function publishedIssuer(url: string): Promise<string | undefined> {
  const { origin, pathname } = new URL(url)
  const metadata: unknown = await (await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`)).json()
  const [issuer]: unknown[] =
    isJsonObject(metadata) && Array.isArray(metadata['authorization_servers']) ? metadata['authorization_servers'] : []
  return typeof issuer === 'string' ? issuer : undefined
}

async function connect(gateway: Booted, key: string): Promise<void> {
  const browser = browse(gateway)
  const leave = await browser.send(await browser.open('/connect/judge'), { key })
  const link = wayOn(leave.text)
  if (link === undefined) throw new Error(`no way to the server: ${wordsOf(leave.text)}`)
  const page = await browser.open(await followed(new URL(link)))
  if (!page.text.includes('is connected')) throw new Error(`not connected: ${wordsOf(page.text)}`)
}

function wordsOf(page: string): string {
  return page.replaceAll(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
}

const mostRedirects = 5

/** Where the authorization server sends the browser in the end. */
async function followed(from: URL): Promise<URL> {
  let url = from
  for (let step = 0; step < mostRedirects && url.origin !== base; step += 1) {
    const location = (await fetch(url, { redirect: 'manual' })).headers.get('location')
    if (location === null) throw new Error(`the authorization server shows a page: ${url.href}`)
    url = new URL(location, url)
  }
  return url
}

async function callEverything(gateway: Booted, key: string): Promise<void> {
  const client = new Client({ name: 'scenario', version: '1' })
  const transport = new StreamableHTTPClientTransport(new URL('http://gateway.test/judge/mcp'), {
    fetch: (input, init) => gateway.fetch(input, init),
    requestInit: { headers: { 'x-litellm-api-key': key } },
  })
  await client.connect(transport)
  try {
    const { tools } = await client.listTools()
    for (const { name } of tools) await client.callTool({ name, arguments: {} })
  } finally {
    await client.close()
  }
}
