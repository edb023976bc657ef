/**
 * User identity: `x-litellm-key` is for the gateway, `Authorization` is the user's own token for the server.
 * `node examples/dual-auth/main.ts` starts a protected server, its OAuth server and the gateway, and asserts.
 */
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { startAuthorizationServer } from '../shared/authorization-server.ts'
import { startGateway } from '../shared/gateway.ts'
import { startProtectedServer } from '../shared/protected-server.ts'
import { show, textOf } from '../shared/steps.ts'

await using authorizationServer = await startAuthorizationServer({ id: 'editor', secret: 'not used here' })
await using issues = await startProtectedServer(authorizationServer.origin)
await using gateway = await startGateway(join(import.meta.dirname, 'config.yaml'), { ISSUES_URL: issues.url })

const made = await gateway.post(
  '/key/generate',
  { key_alias: 'team', object_permission: { mcp_servers: ['issues'] } },
  { 'x-litellm-api-key': gateway.masterKey },
)
const [, key = ''] = /"key":\s*"(sk-[^"]+)"/.exec(made.text) ?? []
show('an administrator makes one key for a team', made.status, 200)

const call = { server_id: 'issues', name: 'whoami', arguments: {} }
const callAs = async (person: string | undefined) => {
  const token = person === undefined ? undefined : await authorizationServer.tokenOf(person, issues.url)
  const own = token === undefined ? undefined : { authorization: `Bearer ${token}` }
  return gateway.post('/mcp-rest/tools/call', call, { 'x-litellm-key': key, ...own })
}
for (const person of ['ada', 'bob']) {
  const { status, text } = await callAs(person)
  show(`${person} calls with that key, and is ${person} at the server`, [status, textOf(text)], [200, person])
}
show('whoever brings no token of their own is told to', (await callAs(undefined)).status, 401)

const token = await authorizationServer.tokenOf('ada', issues.url)
const client = new Client({ name: 'editor', version: '1.0.0' })
const headers = { 'x-litellm-key': key, authorization: `Bearer ${token}` }
await client.connect(
  new StreamableHTTPClientTransport(new URL(`${gateway.address}/mcp/issues`), { requestInit: { headers } }),
)
show('it is the same for an MCP client', textOf(await client.callTool({ name: 'whoami', arguments: {} })), 'ada')
await client.close()

const elsewhere = await authorizationServer.tokenOf('ada', 'https://another.example/mcp')
const refused = await gateway.post('/mcp-rest/tools/call', call, {
  'x-litellm-key': key,
  authorization: `Bearer ${elsewhere}`,
})
show('a token for another server opens nothing here', refused.status, 401)
show('the server never saw the key of the gateway', issues.sentHeaders.includes(key), false)
