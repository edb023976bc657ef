import { scriptedStdio } from '@toolgate/testing/mcp-stdio'

/** Where each user hands over a key or sets variables, and sees what is there. */
export const keyPath = (server: string) => `/v1/mcp/server/${server}/user-credential`
export const variablesPath = (server: string) => `/v1/mcp/server/${server}/user-env-vars`

/** Headers that are filled in with what each user sets. */
export const filled = {
  env_vars: [
    { name: 'TOKEN', scope: 'user', description: 'Your token' },
    { name: 'TENANT', scope: 'user' },
    { name: 'REGION', value: 'north', scope: 'global' },
  ],
  static_headers: { 'X-Token': 'Key ${TOKEN}', 'X-At': '${REGION}/${TENANT}' },
}

/** Says what it was started with. */
const confidant = scriptedStdio(`
  const tool = { name: 'echo', inputSchema: { type: 'object' } }
  const asked = (message) => {
    if (message.method === 'tools/list') answer(message, { tools: [tool] })
    if (message.method === 'tools/call') answer(message, { content: [{ type: 'text', text: process.env.TOKEN }] })
  }`)

/** Of every kind that takes something from its users, and `elsewhere`, another server, which takes nothing. */
export const secretServers = (url: string, elsewhere: string) => ({
  own: { url, auth_type: 'api_key', is_byok: true, byok_api_key_help_url: 'https://help.example.com' },
  shared: { url, auth_type: 'bearer_token', authentication_token: 'of-the-operator', is_byok: true },
  basic: { url, auth_type: 'basic', is_byok: true },
  filled: { url, ...filled },
  local: { ...confidant, env_vars: [{ name: 'TOKEN', scope: 'user' }], env: { TOKEN: 'Key ${TOKEN}' } },
  elsewhere: { url: elsewhere, auth_type: 'none' },
})

/** What cannot be meant: each is left out. */
export const brokenServers = (url: string) => ({
  unfit: { url, auth_type: 'none', is_byok: true },
  covered: { url, auth_type: 'api_key', is_byok: true, static_headers: { 'X-Api-Key': 'fixed' } },
  unset: { url, env_vars: [{ name: 'A' }] },
})
