import {
  type AuthorizedCall,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type ServerDefinition,
  type Target,
  type TargetKind,
  type UpstreamCall,
} from '@toolgate/core'
import { permits, type PermitRules } from './permits.ts'
import { ownSpellings } from './public-name.ts'
import { type Reach, reachesTarget } from './reach.ts'

/** What the caller asked for, and how it was understood: `target` is absent where nothing bears the name. */
export interface AuthorizeRequest<Server extends ServerDefinition>
  extends Omit<UpstreamCall<Server>, 'target'>,
    PermitRules {
  readonly kind: TargetKind
  readonly publicName: string
  readonly target: Target<Server> | undefined
  /** Absent: everything. */
  readonly reach?: Reach | undefined
}

/**
 * Lets a call through or refuses it, and is the only maker of an {@link AuthorizedCall}. Unknown and forbidden are one
 * error with one text: a refusal must not confirm that something exists.
 */
export function authorize<Server extends ServerDefinition>({
  kind,
  publicName,
  target,
  separator,
  toolsets,
  reach,
  ...request
}: AuthorizeRequest<Server>): AuthorizedCall<Server> {
  const { principal } = request.caller
  if (target === undefined || !reachesTarget(reach, target) || !permits(principal, target, { separator, toolsets })) {
    throw targetNotFound(kind, publicName)
  }
  refuseParameters(target, { publicName, separator, params: request.params })
  const call: UpstreamCall<Server> = { ...request, target }
  // oxlint-disable-next-line typescript/consistent-type-assertions, typescript/no-unsafe-type-assertion -- the brand has no value; this is where it is earned
  return call as AuthorizedCall<Server>
}

export function targetNotFound(kind: TargetKind, publicName: string): GatewayError {
  // Aimed at a server is what no table knows, by the name of its method.
  if (kind === 'server') return new GatewayError('METHOD_NOT_FOUND', `Method not found: ${publicName}`)
  return new GatewayError('TARGET_NOT_FOUND', `Unknown ${kind}: ${publicName}`)
}

/** One answer for a server that does not exist and one that is not the caller's. */
export function serverNotFound(name: string): GatewayError {
  return new GatewayError('SERVER_NOT_FOUND', `Unknown MCP server: ${name}`, { details: { server: name } })
}

/** `allowed_params` of a server: a tool that is listed there takes these arguments and no others. */
function refuseParameters(
  { server, kind, name }: Target,
  { publicName, separator, params }: { publicName: string; separator: string; params: JsonObject },
): void {
  if (kind !== 'tool' || name === undefined || server.allowedParams.size === 0) return
  const spellings = [...ownSpellings(server, name, separator), server.displayNames.get(name) ?? name]
  const allowed = spellings.map((spelling) => server.allowedParams.get(spelling)).find((entry) => entry !== undefined)
  const given = params['arguments']
  if (allowed === undefined || given === undefined || given === null) return
  // Closed: what is no object has no names to compare, and an upstream might still make sense of it.
  if (!isJsonObject(given)) throw new GatewayError('INVALID_REQUEST', 'tools/call: "arguments" must be an object.')
  const refused = Object.keys(given).filter((parameter) => !allowed.has(parameter))
  if (refused.length === 0) return
  throw new GatewayError(
    'PARAMETERS_NOT_ALLOWED',
    `Parameters ${quoted(refused)} are not allowed for tool ${publicName}. Allowed parameters: ${quoted([...allowed])}. Contact proxy admin to allow these parameters.`,
  )
}

/** As LiteLLM prints a list. */
function quoted(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(', ')}]`
}
