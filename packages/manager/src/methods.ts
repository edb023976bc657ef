import { GatewayError, isJsonObject, type JsonObject, type TargetKind } from '@toolgate/core'

/**
 * The one table of MCP methods: what each is aimed at and where in `params` the name of that stands. Only methods in
 * here travel through the gateway; the name is all that is ever rewritten.
 */
interface Aim {
  readonly kind: Exclude<TargetKind, 'server'>
  /** Keys that lead to the name inside `params`. */
  readonly path: readonly string[]
}

const tool: Aim = { kind: 'tool', path: ['name'] }
const prompt: Aim = { kind: 'prompt', path: ['name'] }
const resource: Aim = { kind: 'resource', path: ['uri'] }

const targeted = new Map<string, (params: JsonObject) => Aim | undefined>([
  ['tools/call', () => tool],
  ['prompts/get', () => prompt],
  ['resources/read', () => resource],
  ['resources/subscribe', () => resource],
  ['resources/unsubscribe', () => resource],
  ['completion/complete', ({ ref }) => (isJsonObject(ref) ? completionAim(ref['type']) : undefined)],
])

/**
 * A method that this table does not know and a server may: all of it is for that server to understand. What makes or
 * ends a session is never passed on, and neither is what the gateway answers for itself.
 */
export function isUnknown(method: string): boolean {
  return !targeted.has(method) && !ownMethods.has(method) && !method.startsWith('notifications/')
}

const ownMethods = new Set(['initialize', 'ping', 'logging/setLevel', 'server/discover', 'subscriptions/listen'])

function completionAim(type: unknown): Aim | undefined {
  if (type === 'ref/prompt') return { kind: 'prompt', path: ['ref', 'name'] }
  if (type === 'ref/resource') return { kind: 'resource', path: ['ref', 'uri'] }
  return undefined
}

/** A request's target as the caller named it, and the request for the same thing under another name. */
export interface Addressed {
  readonly kind: Aim['kind']
  readonly name: string
  rename(name: string): JsonObject
}

/**
 * Finds the name inside a request. Fails with `METHOD_NOT_FOUND` for a method that has no target, and with
 * `INVALID_REQUEST` where the name is missing.
 */
export function addressOf(method: string, params: JsonObject): Addressed {
  const aimOf = targeted.get(method)
  if (aimOf === undefined) throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${method}`)
  const aim = aimOf(params)
  if (aim === undefined) {
    throw new GatewayError('INVALID_REQUEST', `${method}: "ref.type" must be "ref/prompt" or "ref/resource".`)
  }
  const name = aim.path.reduce<unknown>((value, key) => (isJsonObject(value) ? value[key] : undefined), params)
  if (typeof name !== 'string' || name === '') {
    throw new GatewayError('INVALID_REQUEST', `${method}: "${aim.path.join('.')}" must be a non-empty string.`)
  }
  return { kind: aim.kind, name, rename: (to) => (to === name ? params : replaced(params, aim.path, to)) }
}

function replaced(params: JsonObject, [key, ...rest]: readonly string[], name: string): JsonObject {
  if (key === undefined) return params
  const inner = params[key]
  return { ...params, [key]: rest.length > 0 && isJsonObject(inner) ? replaced(inner, rest, name) : name }
}

export const listKinds = ['tools', 'prompts', 'resources', 'resourceTemplates'] as const

export type ListKind = (typeof listKinds)[number]

/** How each kind of list is asked for, and how its items are told apart. */
export interface ListMethod {
  readonly method: string
  /** The capability without which a server has none of them (spec 2025-11-25, Lifecycle). */
  readonly capability: string
  /** The field of an item that names it. */
  readonly identity: string
  readonly target: Aim['kind']
}

/** The result's field has the name of the kind. */
export const listMethods: Readonly<Record<ListKind, ListMethod>> = {
  tools: { method: 'tools/list', capability: 'tools', identity: 'name', target: 'tool' },
  prompts: { method: 'prompts/list', capability: 'prompts', identity: 'name', target: 'prompt' },
  resources: { method: 'resources/list', capability: 'resources', identity: 'uri', target: 'resource' },
  resourceTemplates: {
    method: 'resources/templates/list',
    capability: 'resources',
    identity: 'uriTemplate',
    target: 'resource',
  },
}

/** The lists in which a target of this kind may stand. */
export const listsOf: Readonly<Record<Aim['kind'], readonly ListKind[]>> = {
  tool: ['tools'],
  prompt: ['prompts'],
  resource: ['resources', 'resourceTemplates'],
}

/** The lists that a notification of an upstream declares outdated. */
export function outdatedBy(notificationMethod: string): readonly ListKind[] {
  if (notificationMethod === 'notifications/tools/list_changed') return listsOf.tool
  if (notificationMethod === 'notifications/prompts/list_changed') return listsOf.prompt
  if (notificationMethod === 'notifications/resources/list_changed') return listsOf.resource
  return []
}
