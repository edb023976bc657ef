/**
 * The stored servers as an administrator manages them. Nothing is stored that could not be built, a server of the file is
 * never touched, and a write holds in this process before it is answered. Who may ask is the door's business.
 */
import { invalidRequest, keptIdentities } from '@toolgate/auth'
import { GatewayError, type Logger, type NewId } from '@toolgate/core'
import type { McpServerRow } from '@toolgate/db'
import type { StoredServers } from '@toolgate/manager'
import type { ServerSet } from '../server-set.ts'
import { InvalidServer } from './build-stored.ts'
import { draftOf, type ServerDraft, type Stored } from './draft.ts'
import { isServerId, type ServerNames } from './names.ts'
import { openRow, type Seal, sealParts } from './sealed-rows.ts'
import { newServerSchema, readServerRequest, type ServerRequest, updateServerSchema } from './server-request.ts'

export interface ServerAdmin {
  /** Rejects with `INVALID_REQUEST` (`details.field`, `details.issues`) or `CONFLICT`. */
  create(body: object, actor: string): Promise<WrittenServer>
  /** `server_id` may be the name or alias. What is left out of the body stays as it is. Rejects as `create` does, or with `STORED_SERVER_NOT_FOUND`. */
  update(body: object, actor: string): Promise<WrittenServer>
  /** By id, name or alias. Rejects with `STORED_SERVER_NOT_FOUND`, or with `INVALID_REQUEST` where it is one of the file. */
  remove(handle: string, actor: string): Promise<void>
  /** A server as `create` would make it, stored nowhere. Rejects as `create` does. */
  draft(body: object): BuiltDraft
}

export interface WrittenServer {
  readonly row: McpServerRow
  readonly warnings: readonly string[]
}

export type BuiltDraft = ReturnType<ServerSet['build']>

export interface ServerAdminOptions {
  readonly store: StoredServers
  readonly servers: Pick<ServerSet, 'build' | 'refresh' | 'isConfigured' | 'stored'>
  readonly seal: Seal
  /** Removes what is known of a server that is gone. */
  forget(serverId: string): Promise<void>
  readonly newId: NewId
  readonly log: Logger
}

/** Characters of a server's settings as JSON, and servers in all. */
const maxSettingsLength = 64 * 1024
const maxServers = 1_000

export function createServerAdmin(options: ServerAdminOptions): ServerAdmin {
  const { store, servers, seal, forget, newId, log } = options
  const refreshed = (id: string) => bestEffort(() => servers.refresh([id]), log)

  /** Builds it, so that what is stored can be used, and seals what is secret. */
  const prepare = async (draft: ServerDraft, request: ServerRequest) => {
    refuseTooMuch(draft)
    refuseConfigured(draft.names, servers)
    const { server, warnings } = build(draft, servers)
    const { id, name, alias } = draft.names
    const sealedSecrets = await sealParts(id, draft.secrets, seal)
    return {
      stored: { name, alias, settings: draft.settings, sealedSecrets },
      kept: keptIdentities(server),
      warnings: [...request.warnings, ...warnings],
    }
  }

  return {
    async create(body, actor) {
      const request = readServerRequest(body, newServerSchema)
      const id = request.serverId ?? newId('mcp')
      if (servers.stored().length >= maxServers) {
        throw new GatewayError('INVALID_REQUEST', `There are ${maxServers} servers already, and no more are kept.`)
      }
      const { stored, warnings } = await prepare(draftOf(id, request), request)
      const row = await store.insert({ ...stored, id }, actor)
      await refreshed(id)
      return { row, warnings }
    },

    async update(body, actor) {
      const request = readServerRequest(body, updateServerSchema)
      const id = idOf(request.serverId ?? '', servers)
      if (servers.isConfigured(id)) throw declaredInFile(id, 'changed')
      let warnings: readonly string[] = []
      const change = async (current: McpServerRow) => {
        const prepared = await prepare(draftOf(id, request, await openedOr(current, seal)), request)
        warnings = prepared.warnings
        return { ...prepared.stored, kept: prepared.kept }
      }
      const row = await store.update(id, change, actor)
      if (row === undefined) throw noSuchServer(id)
      await refreshed(id)
      return { row, warnings }
    },

    async remove(handle, actor) {
      const id = idOf(handle, servers)
      // One that the file hides may be deleted: it is the way out of the conflict.
      if (!(await store.remove(id, actor)))
        throw servers.isConfigured(id) ? declaredInFile(id, 'deleted') : noSuchServer(id)
      await refreshed(id)
      await bestEffort(() => forget(id), log)
    },

    draft(body) {
      const request = readServerRequest(body, newServerSchema)
      const draft = draftOf(newId('preview'), { ...request, name: request.name ?? 'preview', serverId: undefined })
      const { server, warnings } = build(draft, servers)
      return { server, warnings: [...request.warnings, ...warnings] }
    },
  }
}

/** What nobody here has heard of is asked for as it is: another gateway may have stored it a moment ago. */
function idOf(handle: string, servers: ServerAdminOptions['servers']): string {
  const rows = servers.stored().map(({ row }) => row)
  if (rows.some(({ id }) => id === handle) || servers.isConfigured(handle)) return handle
  const known = rows.find(({ name, alias }) => [name, alias].includes(handle))?.id
  if (known === undefined && !isServerId(handle)) throw noSuchServer(handle)
  return known ?? handle
}

/** Every answer about servers holds all of them, and every gateway keeps them in memory. */
function refuseTooMuch({ settings }: ServerDraft): void {
  if (JSON.stringify(settings).length <= maxSettingsLength) return
  throw invalidRequest([
    { path: [], message: `The settings of a server are longer than ${maxSettingsLength} characters.`, code: 'too_big' },
  ])
}

/** One that cannot be opened is changed by giving its secrets anew. */
async function openedOr(row: McpServerRow, seal: Seal): Promise<Stored> {
  try {
    return await openRow(row, seal)
  } catch {
    // The reason is shown with the server; here the change is what mends it.
    return { ...row, secrets: new Map() }
  }
}

function build({ names, complete }: ServerDraft, servers: Pick<ServerSet, 'build'>): BuiltDraft {
  try {
    return servers.build(names, complete)
  } catch (error) {
    if (!(error instanceof InvalidServer)) throw error
    throw invalidRequest(
      error.findings.map(({ path, message }) => ({
        path: path.map((part) => (part === 'access_groups' ? 'mcp_access_groups' : String(part))),
        message,
        code: 'invalid_server',
      })),
    )
  }
}

function refuseConfigured({ id, name, alias }: ServerNames, servers: Pick<ServerSet, 'isConfigured'>): void {
  // Without a name of its own a server has its alias as one.
  const fields = { server_id: id, server_name: name === alias ? '' : name, alias: alias ?? '' }
  const taken = Object.entries(fields).find(([, word]) => word !== '' && servers.isConfigured(word))
  if (taken === undefined) return
  const [field] = taken
  throw new GatewayError('CONFLICT', `${field}: a server of the configuration file has it already. Choose another.`, {
    details: { field },
  })
}

function declaredInFile(id: string, what: 'changed' | 'deleted'): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    `MCP Server with id ${id} lives in the configuration file and cannot be ${what} here. Change the file and reload it.`,
    { details: { field: 'server_id' } },
  )
}

/** LiteLLM's text. */
export function noSuchServer(id: string): GatewayError {
  return new GatewayError('STORED_SERVER_NOT_FOUND', `MCP Server with id ${id} not found`, {
    details: { field: 'server_id' },
  })
}

/** The write is done; what fails after it is made up for by whoever follows the changes. */
async function bestEffort(work: () => Promise<void>, log: Logger): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.warn({ err: error }, 'A stored server was written, and this gateway will hear of it a little later.')
  }
}
