import { type Caller, isJsonObject, type JsonObject } from '@toolgate/core'
import type { Gateway, Introduction as ServerIntroduction } from '@toolgate/manager'
import { version } from '../../version.ts'
import type { View } from './view.ts'

/** What the gateway says of itself at one endpoint, in either era. From memory: nobody waits for an upstream here. */
export interface Introduction {
  readonly capabilities: JsonObject
  readonly serverInfo: JsonObject
  readonly instructions: string | undefined
}

export interface IntroductionOptions {
  readonly gateway: Pick<Gateway, 'introductions'>
  /** `LITELLM_MCP_SERVER_NAME` and `LITELLM_MCP_SERVER_DESCRIPTION`, asked anew each time. */
  readonly identity: () => { readonly name: string; readonly description: string | undefined }
}

export function createIntroduction({ gateway, identity }: IntroductionOptions) {
  return (caller: Caller, view: View): Introduction => {
    const servers = gateway.introductions(caller, view)
    return {
      capabilities: capabilitiesOf(view, servers),
      serverInfo: view.single === undefined ? ofGateway(identity()) : ofServer(view, servers),
      instructions: mergedInstructions(servers),
    }
  }
}

function capabilitiesOf({ single, onlySearch }: View, servers: readonly ServerIntroduction[]): JsonObject {
  if (onlySearch === true) return { tools: {} }
  return single === undefined ? mergedCapabilities(servers) : ownCapabilities(servers)
}

const listed = ['tools', 'prompts', 'resources'] as const

/** Servers come and go while a client is connected, so an aggregate has lists of every kind, be they empty. */
function mergedCapabilities(servers: readonly ServerIntroduction[]): JsonObject {
  return { ...listsOf(listed, servers), ...besides(servers) }
}

/** A server that was never reached may have anything. */
function ownCapabilities(servers: readonly ServerIntroduction[]): JsonObject {
  const has = (kind: string) =>
    servers.some(({ handshake }) => handshake === undefined || isJsonObject(handshake.capabilities[kind]))
  const kinds = listed.filter(has)
  return { ...unknownCapabilities(servers), ...listsOf(kinds, servers), ...besides(servers) }
}

const known = new Set<string>([...listed, 'completions', 'logging'])

/** What the one server has beside, its methods being passed on to whoever may use it whole. */
function unknownCapabilities([own]: readonly ServerIntroduction[]): JsonObject {
  if (own?.handshake === undefined || !own.whole) return {}
  return Object.fromEntries(Object.entries(own.handshake.capabilities).filter(([name]) => !known.has(name)))
}

/** Whatever a list is made of, the gateway notices when it changes. */
function listsOf(kinds: readonly string[], servers: readonly ServerIntroduction[]): JsonObject {
  const subscribe = servers.some(({ handshake }) => {
    const resources = handshake?.capabilities['resources']
    return isJsonObject(resources) && resources['subscribe'] === true
  })
  return Object.fromEntries(
    kinds.map((kind) => [kind, { ...(kind === 'resources' && subscribe && { subscribe }), listChanged: true }]),
  )
}

/** What is passed on to whichever server it concerns, where any has it. */
function besides(servers: readonly ServerIntroduction[]): JsonObject {
  return {
    ...(anyHas(servers, 'completions') && { completions: {} }),
    ...(anyHas(servers, 'logging') && { logging: {} }),
  }
}

function anyHas(servers: readonly ServerIntroduction[], capability: string): boolean {
  return servers.some(({ handshake }) => isJsonObject(handshake?.capabilities[capability]))
}

function ofGateway({ name, description }: ReturnType<IntroductionOptions['identity']>): JsonObject {
  return { name, version, ...(description !== undefined && { description }) }
}

/** As LiteLLM: an endpoint of one server bears that server's name. */
function ofServer({ single }: View, [own]: readonly ServerIntroduction[]): JsonObject {
  const info = own?.handshake?.serverInfo ?? {}
  return { version, ...info, name: single?.alias ?? single?.name ?? 'toolgate' }
}

function mergedInstructions(servers: readonly ServerIntroduction[]): string | undefined {
  const given = servers.flatMap(({ server, handshake }) => {
    const text = (server.instructions ?? handshake?.instructions)?.trim() ?? ''
    return text === '' ? [] : [{ label: server.alias ?? server.name, text }]
  })
  const [first] = given
  if (given.length < 2) return first?.text
  return given.map(({ label, text }) => `[${label}]\n${text}`).join('\n\n---\n\n')
}
