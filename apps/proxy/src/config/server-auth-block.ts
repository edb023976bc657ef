/**
 * The parts of a server entry that are this gateway's own and therefore strict: `auth` with `oauth2` and
 * `cookie_passthrough`, and `discovery_auth`. Values inside are checked by the authentication's plug.
 */
import { z } from 'zod'
import { flag, freeForm, names } from './scalars.ts'
import { type Place, readSection } from './section.ts'

/** The part of a plug registry that names keys. */
export interface PlugKeys {
  readonly types: readonly string[]
  get(type: string): { readonly keys: readonly string[] } | undefined
}

/** Which keys the plugs understand; a new plug needs no change in the schema. */
export interface ServerKeys {
  readonly transports: PlugKeys
  readonly authMethods: PlugKeys
}

/** Every key that some plug of the registry understands. */
export function allKeys(plugs: PlugKeys): string[] {
  return plugs.types.flatMap((type) => plugs.get(type)?.keys ?? [])
}

export const authBlockSchema = z.object({ oauth2: freeForm.optional(), cookie_passthrough: freeForm.optional() })
export const cookiePassthroughSchema = z.object({ enabled: flag.default(true), cookie_names: names.default([]) })
const discoveryAuthSchema = z.looseObject({ auth_type: z.string() })

/** The cookies of callers that may travel to this server; reviews the keys of `auth` on the way. */
export function readCookieNames(auth: unknown, entry: Place, { authMethods }: ServerKeys): readonly string[] {
  const place = { ...entry, path: [...entry.path, 'auth'] }
  const block = readSection(auth, place, { schema: authBlockSchema, dialect: 'ours' })
  readSection(
    block?.oauth2,
    { ...place, path: [...place.path, 'oauth2'] },
    { schema: z.looseObject({}), dialect: 'ours', elsewhere: authMethods.get('oauth2')?.keys ?? [] },
  )
  const passthrough = readSection(
    block?.cookie_passthrough,
    { ...place, path: [...place.path, 'cookie_passthrough'] },
    { schema: cookiePassthroughSchema, dialect: 'ours' },
  )
  return passthrough?.enabled === true ? passthrough.cookie_names : []
}

export function reviewDiscoveryAuth(value: unknown, entry: Place, { authMethods }: ServerKeys): void {
  readSection(
    value,
    { ...entry, path: [...entry.path, 'discovery_auth'] },
    { schema: discoveryAuthSchema, dialect: 'ours', elsewhere: allKeys(authMethods) },
  )
}
