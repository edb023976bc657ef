import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Booted } from '../boot.ts'
import type { application } from './oauth-application.ts'

interface SignsIn {
  readonly authProvider: ReturnType<typeof application>
  readonly headers?: Record<string, string>
}

/** A client of each line of the official SDK, which signs in for its application where it is told to. */
export const sdkLines = {
  'the maintenance line': ({ fetch }: Booted, url: URL, { authProvider, headers = {} }: SignsIn) => ({
    client: new Client1({ name: 'editor', version: '1' }),
    transport: new Transport1(url, { authProvider, fetch, requestInit: { headers } }),
  }),
  'the current line': ({ fetch }: Booted, url: URL, { authProvider, headers = {} }: SignsIn) => ({
    client: new Client2({ name: 'editor', version: '2' }),
    transport: new Transport2(url, { authProvider, fetch, requestInit: { headers } }),
  }),
} as const

export type Line = ReturnType<(typeof sdkLines)[keyof typeof sdkLines]>

export async function connect({ client, transport }: Line): Promise<void> {
  if (client instanceof Client1 && transport instanceof Transport1) await client.connect(transport)
  else if (client instanceof Client2 && transport instanceof Transport2) await client.connect(transport)
}

/** Hands over what the browser came back with: `end` is where it was sent. */
export async function finish(transport: Line['transport'], end: URL): Promise<void> {
  if (transport instanceof Transport1) await transport.finishAuth(end.searchParams.get('code') ?? '')
  else await transport.finishAuth(end.searchParams)
}
