import { relative, resolve } from 'node:path'
import { gatewayKeyHeader } from '@toolgate/auth'
import type { Database } from '@toolgate/db'
import type { ProxyConfig } from './config/schema.ts'
import type { GatewaySecrets } from './generated-secrets.ts'

/**
 * What a person sees after a start: where it listens, where the admin key is, and three commands that work as printed.
 * The key itself is never printed: the commands read it from its file or from the variable that holds it.
 */
export interface BannerFacts {
  readonly address: string
  readonly secrets: Pick<GatewaySecrets, 'masterKeyPlace'>
  readonly database: Pick<Database, 'kind' | 'address'>
  readonly config: Pick<ProxyConfig, 'servers' | 'models'>
}

export function bannerFor({ address, secrets, database, config }: BannerFacts): string {
  const { place, expression } = keyOf(secrets)
  const key = `-H "${gatewayKeyHeader}: ${expression}"`
  return [
    '',
    `toolgate listens on ${address}`,
    `  storage    ${storageOf(database)}`,
    `  admin key  ${place}`,
    '',
    '# list the tools',
    `curl -s ${quoted(`${address}/mcp-rest/tools/list`)} ${key}`,
    ...examples(address, key, config),
    '',
    '',
  ].join('\n')
}

const json = `-H 'content-type: application/json'`

/** Calls that work with the configuration as it comes: its server has the tool `echo`, its model works offline. */
function examples(address: string, key: string, { servers, models }: BannerFacts['config']): readonly string[] {
  const server = servers.find(({ name }) => name === 'everything')
  const model = models.find((entry) => entry.model.startsWith('mock/'))
  if (server === undefined || model === undefined) return []
  const call = { server_id: server.name, name: 'echo', arguments: { message: 'hello' } }
  const chat = {
    model: model.name,
    tools: [{ type: 'mcp', server_url: 'litellm_proxy', require_approval: 'never' }],
    messages: [{ role: 'user', content: `${server.name}-echo {"message": "hello"}` }],
  }
  return [
    '',
    '# call one',
    `curl -s ${quoted(`${address}/mcp-rest/tools/call`)} ${key} ${json} -d ${quoted(JSON.stringify(call))}`,
    '',
    '# let the model call one',
    `curl -s ${quoted(`${address}/v1/chat/completions`)} ${key} ${json} -d ${quoted(JSON.stringify(chat))}`,
  ]
}

function keyOf({ masterKeyPlace }: BannerFacts['secrets']): { place: string; expression: string } {
  const expression = '$LITELLM_MASTER_KEY'
  if (masterKeyPlace.kind === 'variable') return { place: 'in LITELLM_MASTER_KEY', expression }
  const path = shortest(masterKeyPlace.path)
  if (masterKeyPlace.kind === 'file') return { place: `in ${path}`, expression: `$(cat ${quoted(path)})` }
  return { place: `master_key of ${path} (the commands read it from LITELLM_MASTER_KEY: set it there)`, expression }
}

function shortest(path: string): string {
  const fromHere = relative('.', path)
  return fromHere.startsWith('..') ? resolve(path) : fromHere
}

/** A text as one word of a shell. */
function quoted(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

function storageOf({ kind, address }: BannerFacts['database']): string {
  if (kind === 'postgres') return `Postgres at ${address}`
  return `embedded Postgres in ${address} (for trying out: not safe against power loss; set DATABASE_URL for your own)`
}
