/**
 * What users have set of the variables that a server declares. One document per user and server, all or nothing: a server is
 * never asked with a part of them, or with those of somebody else.
 */
import { type Caller, GatewayError, type Scope, Secret, type ServerDefinition, sharedScope } from '@toolgate/core'
import { z } from 'zod'
import { ownerOf } from '../user-tokens/user-tokens.ts'

export type VariableValues = ReadonlyMap<string, Secret>

export interface SetVariables {
  readonly values: VariableValues
  /** Whose they are: other values are another holder's. */
  readonly scope: Scope
}

export const noVariables: SetVariables = { values: new Map(), scope: sharedScope }
const documentSchema = z.record(z.string(), z.string())

/** What this user has set, without what is not declared any more. */
export async function setVariables(server: ServerDefinition, owner: string | undefined): Promise<SetVariables> {
  const { userVariables: variables } = server
  if (variables === undefined || owner === undefined) return noVariables
  const held = await variables.held?.read(server, owner)
  if (held === undefined) return noVariables
  const known = readVariables(held.secret)
  const declared = variables.declared.flatMap(({ name }): [string, Secret][] => {
    const value = known.get(name)
    return value === undefined ? [] : [[name, value]]
  })
  return { values: new Map(declared), scope: { kind: 'holder', holder: `${owner}#${held.id}` } }
}

/** Names that are declared and not set. */
export function missingVariables({ userVariables }: ServerDefinition, values: VariableValues): readonly string[] {
  return (userVariables?.declared ?? []).flatMap(({ name }) => (values.has(name) ? [] : [name]))
}

/** For a request. Throws `USER_VARIABLES_MISSING`, naming what is missing and where it is set. */
export async function requiredVariables(
  server: ServerDefinition,
  caller: Caller | undefined,
  setupUrl: ((server: ServerDefinition) => string) | undefined,
): Promise<SetVariables> {
  if (server.userVariables === undefined) return noVariables
  const found = await setVariables(server, caller && ownerOf(caller.principal))
  const missing = missingVariables(server, found.values)
  if (missing.length === 0) return found
  const what = `needs variables that each user sets, and these are not set: ${missing.join(', ')}`
  throw variablesToSet(server, { what, missing, url: setupUrl?.(server) })
}

/** All of them are to be set anew: which one it was the server does not say, and to sign in, as it may say, would not help. */
export function userVariablesRefused(server: ServerDefinition, url: string | undefined): GatewayError {
  const missing = (server.userVariables?.declared ?? []).map(({ name }) => name)
  return variablesToSet(server, { what: 'refused what was asked with the variables that you have set', missing, url })
}

interface ToSet {
  readonly what: string
  readonly missing: readonly string[]
  readonly url: string | undefined
}

function variablesToSet({ name, id }: ServerDefinition, { what, missing, url }: ToSet): GatewayError {
  const where = url === undefined ? '' : ` Set them with POST ${url}`
  return new GatewayError('USER_VARIABLES_MISSING', `Server "${name}" ${what}.${where}`, {
    details: {
      server: name,
      server_id: id,
      server_name: name,
      missing,
      ...(url !== undefined && { setup_url: url }),
      stage: 'credential',
    },
  })
}

/** Of a document as it is kept. */
export function readVariables(document: Secret | undefined): VariableValues {
  if (document === undefined) return new Map()
  const values = documentSchema.parse(JSON.parse(document.reveal()))
  return new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)]))
}

export function writeVariables(values: VariableValues): Secret {
  return new Secret(JSON.stringify(Object.fromEntries([...values].map(([name, value]) => [name, value.reveal()]))))
}
