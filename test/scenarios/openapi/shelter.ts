import { type ApiRequest, type PetApi, startPetApi } from '@toolgate/testing/pet-api'
import { boot, type Booted, type BootOptions } from '../../boot.ts'

/** One gateway before one API with many documents: each server is a document of its name, with the settings beside it. */
export interface Shelter extends AsyncDisposable {
  readonly gateway: Booted
  readonly api: PetApi
  /** `{server}/{tool}`. */
  call(at: string, given?: object, options?: object): Promise<Record<string, unknown>>
  /** Their names and what is known of them. */
  tools(server: string): Promise<Record<string, Record<string, unknown>>>
  /** The latest request of the API. */
  sent(): ApiRequest | undefined
}

export interface DocumentedServer {
  readonly document?: object | string
  readonly settings?: object
}

/** `servers` may need the API's address. */
export async function openShelter(
  servers: (api: PetApi) => Record<string, DocumentedServer>,
  options: Omit<BootOptions, 'config'> = {},
): Promise<Shelter> {
  const api = await startPetApi()
  const mcp_servers: Record<string, object> = {}
  for (const [name, { document, settings = {} }] of Object.entries(servers(api))) {
    if (document !== undefined) api.publish(document, name)
    mcp_servers[name] = { spec_path: api.documentUrl(name), ...settings }
  }
  const gateway = await boot({ ...options, config: { mcp_servers } })
  return {
    gateway,
    api,
    call(at, given = {}, options = {}) {
      const [server_id, name] = at.split('/')
      return gateway.json('/mcp-rest/tools/call', { body: { server_id, name, arguments: given }, ...options })
    },
    async tools(server) {
      const { tools } = await gateway.json(`/mcp-rest/tools/list?server_id=${server}`)
      const list: { name: string }[] = Array.isArray(tools) ? tools : []
      return Object.fromEntries(list.map((tool) => [tool.name, { ...tool }]))
    },
    sent: () => api.requests.at(-1),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await api[Symbol.asyncDispose]()
    },
  }
}
