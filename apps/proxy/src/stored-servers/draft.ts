/**
 * What a request makes of a server: of nothing, or of the one that is stored. What was left out stays, null clears, and a
 * placeholder stands for the secret that is stored in its place. Pure.
 */
import { invalidRequest } from '@toolgate/auth'
import type { ServerNames } from './names.ts'
import type { OpenedServer } from './sealed-rows.ts'
import { joinSecrets, partKey, type SecretPart, separateSecrets, type Settings } from './secrets.ts'
import type { ServerRequest } from './server-request.ts'

export interface ServerDraft {
  readonly names: ServerNames
  /** With its secrets in place, to be built. */
  readonly complete: Settings
  /** Without, to be stored and shown. */
  readonly settings: Settings
  readonly secrets: readonly SecretPart[]
}

/** `stored` without secrets is one that cannot be opened: whoever changes it gives them anew. */
export type Stored = Pick<OpenedServer, 'name' | 'alias' | 'settings' | 'secrets'>

const nothing: Stored = { name: '', alias: null, settings: {}, secrets: new Map() }

/** Throws `INVALID_REQUEST` where a placeholder stands for nothing. */
export function draftOf(id: string, request: ServerRequest, stored: Stored = nothing): ServerDraft {
  const given = { ...stored.settings, ...request.settings }
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
  const { settings, secrets: parts } = separateSecrets(said)
  const secrets = parts.map((part) => (part.isPlaceholder ? keptPart(part, stored) : part))
  const alias = request.alias === undefined ? stored.alias : request.alias
  const name = request.name === undefined && stored.name !== '' ? stored.name : (request.name ?? alias ?? id)
  const complete = joinSecrets(settings, new Map(secrets.map(({ path, value }) => [partKey(path), value])))
  return { names: { id, name, alias }, complete, settings, secrets }
}

function keptPart(part: SecretPart, { secrets }: Stored): SecretPart {
  const value = secrets.get(partKey(part.path))
  if (value !== undefined) return { ...part, value, isPlaceholder: false }
  throw invalidRequest([
    {
      path: part.path,
      message: 'A placeholder stands for a stored value, and none can be read here. Give the value.',
      code: 'missing',
    },
  ])
}
