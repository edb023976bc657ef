import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { modernCodes } from '../modern/codes.ts'
import { outOfProtocol } from '../upstream/failure.ts'

/** One thing that a server wants to know of the client before it answers. */
export interface InputRequest {
  readonly method: string
  readonly params: JsonObject
}

/** What a call still needs (spec 2026-07-28, Multi Round-Trip Requests). */
export interface InputRequired {
  /** By the key under which the answer is expected. May be empty: then the server wants to be asked again. */
  readonly requests: ReadonlyMap<string, InputRequest>
  /** To be sent back as it is. */
  readonly state: string | undefined
}

/** Questions of one round; a client has to show each of them. */
const maxRequests = 64

/** Undefined where the result is the answer. Throws where it is neither. */
export function readInputRequired(result: JsonObject, server: string): InputRequired | undefined {
  if (result['resultType'] !== 'input_required') return undefined
  const { inputRequests = {}, requestState: state } = result
  const entries = isJsonObject(inputRequests) ? Object.entries(inputRequests) : undefined
  const requests = entries?.map(([key, request]) => [key, readRequest(request)] as const)
  const valid = requests?.flatMap(([key, request]) => (request === undefined ? [] : [[key, request] as const]))
  const fits = valid !== undefined && valid.length === entries?.length && valid.length <= maxRequests
  const hasState = typeof state === 'string'
  if (!fits || (state !== undefined && !hasState) || (valid.length === 0 && !hasState)) {
    throw outOfProtocol({ server, stage: 'call' }, 'a request for input that cannot be understood')
  }
  return { requests: new Map(valid), state: hasState ? state : undefined }
}

function readRequest(request: JsonValue): InputRequest | undefined {
  if (!isJsonObject(request)) return undefined
  const { method, params = {} } = request
  if (typeof method !== 'string' || !isJsonObject(params)) return undefined
  return capabilityOf({ method, params }) && { method, params }
}

/** The capability that a client must have declared to be asked this; undefined for what nobody may be asked. */
function capabilityOf({ method, params }: InputRequest): readonly [name: string, mode?: string] | undefined {
  if (method === 'elicitation/create') return ['elicitation', params['mode'] === 'url' ? 'url' : 'form']
  if (method === 'sampling/createMessage') {
    return params['tools'] === undefined && params['toolChoice'] === undefined ? ['sampling'] : ['sampling', 'tools']
  }
  return method === 'roots/list' ? ['roots'] : undefined
}

/** Throws `INPUT_UNAVAILABLE` where the client cannot be asked all of it, or the server may not. `usable`: what it may. */
export function requireUsable({ requests }: InputRequired, usable: JsonObject, server: string): void {
  const missing: JsonObject = {}
  for (const request of requests.values()) {
    const [name, mode] = capabilityOf(request) ?? []
    if (name === undefined || isDeclared(usable[name], mode)) continue
    const modes = missing[name]
    missing[name] = { ...(isJsonObject(modes) && modes), ...(mode !== undefined && { [mode]: {} }) }
  }
  if (Object.keys(missing).length > 0) throw inputUnavailable(server, missing)
}

function isDeclared(capability: JsonValue | undefined, mode: string | undefined): boolean {
  if (!isJsonObject(capability)) return false
  if (mode === undefined || isJsonObject(capability[mode])) return true
  // A bare `elicitation: {}` is from the time before there were modes, and means forms.
  return mode === 'form' && capability['url'] === undefined
}

/** A server that keeps to the protocol refuses by itself, before it asks, what its client did not say it can do. */
export function refusedForCapabilities(error: unknown, server: string): unknown {
  if (!(error instanceof GatewayError)) return error
  const { upstream } = error.details
  if (upstream?.code !== modernCodes.missingClientCapability) return error
  const { data } = upstream
  const missing = isJsonObject(data) ? data['requiredCapabilities'] : undefined
  return inputUnavailable(server, isJsonObject(missing) ? missing : {})
}

function inputUnavailable(server: string, missing: JsonObject): GatewayError {
  const names = Object.entries(missing).flatMap(([name, modes]) => {
    const known = isJsonObject(modes) ? Object.keys(modes) : []
    return known.length === 0 ? [name] : known.map((mode) => `${name}.${mode}`)
  })
  return new GatewayError(
    'INPUT_UNAVAILABLE',
    `MCP server "${server}" needs input that it cannot get of this client: ${names.join(', ')}. The client must be able to give it, and the server be allowed to ask for it.`,
    { details: { server, stage: 'call', required_capabilities: missing } },
  )
}
