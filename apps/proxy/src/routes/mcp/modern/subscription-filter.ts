import { GatewayError, isJsonObject, type JsonObject, type JsonRpcNotification } from '@toolgate/core'

/** Resources that one subscription may be about. */
const maxResources = 256

const flags = {
  'notifications/tools/list_changed': { field: 'toolsListChanged', capability: 'tools' },
  'notifications/prompts/list_changed': { field: 'promptsListChanged', capability: 'prompts' },
  'notifications/resources/list_changed': { field: 'resourcesListChanged', capability: 'resources' },
} as const

/** What a client wants to hear of (spec 2026-07-28, Subscriptions). */
export interface SubscriptionFilter {
  /** Methods of notifications about lists. */
  readonly lists: ReadonlySet<string>
  readonly resources: ReadonlySet<string>
}

/** Throws `INVALID_REQUEST`. What nobody knows is left out, and so not acknowledged. */
export function readFilter({ notifications }: JsonObject): SubscriptionFilter {
  if (!isJsonObject(notifications)) throw invalid('"notifications" must be an object.')
  const lists = new Set<string>()
  for (const [method, { field }] of Object.entries(flags)) {
    const wanted = notifications[field] ?? false
    if (typeof wanted !== 'boolean') throw invalid(`"notifications.${field}" must be true or false.`)
    if (wanted) lists.add(method)
  }
  return { lists, resources: readResources(notifications['resourceSubscriptions'] ?? []) }
}

function readResources(uris: unknown): ReadonlySet<string> {
  const given: readonly unknown[] | undefined = Array.isArray(uris) ? uris : undefined
  const resources = given?.filter((uri) => typeof uri === 'string')
  if (resources === undefined || resources.length !== given?.length) {
    throw invalid('"notifications.resourceSubscriptions" must be a list of URIs.')
  }
  if (resources.length > maxResources) throw invalid(`A subscription is about ${maxResources} resources at most.`)
  return new Set(resources)
}

/** What of it the endpoint can tell, by its capabilities. */
export function narrowed({ lists, resources }: SubscriptionFilter, capabilities: JsonObject): SubscriptionFilter {
  const tells = (capability: string, what: string) => {
    const said = capabilities[capability]
    return isJsonObject(said) && said[what] === true
  }
  const told = Object.entries(flags).flatMap(([method, { capability }]) =>
    lists.has(method) && tells(capability, 'listChanged') ? [method] : [],
  )
  return { lists: new Set(told), resources: tells('resources', 'subscribe') ? resources : new Set() }
}

export function isEmpty({ lists, resources }: SubscriptionFilter): boolean {
  return lists.size + resources.size === 0
}

export function accepts({ lists, resources }: SubscriptionFilter, { method, params }: JsonRpcNotification): boolean {
  if (method !== 'notifications/resources/updated') return lists.has(method)
  const uri = params?.['uri']
  return typeof uri === 'string' && resources.has(uri)
}

/** As the client wrote it. */
export function writeFilter({ lists, resources }: SubscriptionFilter): JsonObject {
  const told = Object.entries(flags).flatMap(([method, { field }]) => (lists.has(method) ? [[field, true]] : []))
  return {
    ...Object.fromEntries(told),
    ...(resources.size > 0 && { resourceSubscriptions: [...resources] }),
  }
}

function invalid(message: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `subscriptions/listen: ${message}`)
}
