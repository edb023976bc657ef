/** Service identity: a protected server, its OAuth server and the gateway. `node examples/m2m/main.ts` starts them and asserts. */
import { join } from 'node:path'
import { startAuthorizationServer } from '../shared/authorization-server.ts'
import { startGateway } from '../shared/gateway.ts'
import { startProtectedServer } from '../shared/protected-server.ts'
import { show, textOf } from '../shared/steps.ts'

const client = { id: 'toolgate', secret: 'the secret that the gateway shows its OAuth server' }
await using authorizationServer = await startAuthorizationServer(client)
await using tools = await startProtectedServer(authorizationServer.origin)

const open = await fetch(tools.url, { method: 'POST', body: '{}' })
show('the server refuses whoever comes without a token', open.status, 401)

await using gateway = await startGateway(join(import.meta.dirname, 'config.yaml'), {
  TOOLS_URL: tools.url,
  TOKEN_URL: authorizationServer.tokenUrl,
  CLIENT_SECRET: client.secret,
})
const admin = { 'x-litellm-api-key': gateway.masterKey }

const list = await fetch(`${gateway.address}/mcp-rest/tools/list`, { headers: admin })
const listed = await list.text()
show('the gateway lists its tools', [list.status, listed.includes('"whoami"')], [200, true])

const call = { server_id: 'tools', name: 'whoami', arguments: {} }
const calls = await Promise.all(Array.from({ length: 20 }, () => gateway.post('/mcp-rest/tools/call', call, admin)))
show(
  'twenty calls at once are the gateway’s',
  [...new Set(calls.map(({ status, text }) => `${status} ${textOf(text)}`))],
  ['200 toolgate'],
)
show('and all of that took one token', authorizationServer.tokenRequests, 1)
show(
  'the server saw neither the key of the gateway nor the secret of its client',
  [gateway.masterKey, client.secret].filter((secret) => tools.sentHeaders.includes(secret)),
  [],
)
