/**
 * `env_vars` and `is_byok` of one server: what the operator gives everybody is filled in here, what each user sets is left for
 * requests. What users hand over is for this address and this command alone; for another one they are asked again.
 */
import { type HeldSecrets, withUserKeys } from '@toolgate/auth'
import { isJsonObject, Secret, type ServerDefinition, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import { flag } from './scalars.ts'
import { type OpenSettings, Unusable } from './server-auth.ts'
import type { ServerEntry } from './server-entry.ts'

const mostVariables = 50

const variable = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'must be letters, digits and underscores, at most 128' }),
    value: z.string().nullish(),
    scope: z
      .enum(['global', 'user'])
      .nullish()
      .transform((scope) => scope ?? 'global'),
    description: z.string().nullish(),
  })
  .refine(({ scope, value }) => scope === 'user' || (value !== undefined && value !== null), {
    error: 'must have a value, or scope: user',
  })
  .refine(({ scope, value }) => scope === 'global' || !value, {
    error: 'must have no value beside scope: user, which is for each user to set',
  })

export const userSecretFields = {
  env_vars: z
    .array(variable)
    .max(mostVariables)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, {
      error: 'must not hold a name twice',
    })
    .default([]),
  is_byok: flag.default(false),
  byok_description: z.array(z.string()).default([]),
  byok_api_key_help_url: z.string().optional(),
}

/** The places that requests fill in, with what the operator gives everybody. Anything amiss is for the schema to say. */
export function withGlobalVariables(entry: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const declared = userSecretFields.env_vars.safeParse(entry['env_vars'])
  const values = new Map(
    (declared.data ?? []).flatMap(({ scope, name, value }) => (scope === 'global' ? [[name, value ?? '']] : [])),
  )
  if (values.size === 0) return entry
  const fill = (value: unknown): unknown =>
    typeof value === 'string'
      ? value.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => values.get(name) ?? whole)
      : value
  const filled = ['static_headers', 'env'].flatMap((key) => {
    const texts = entry[key]
    if (!isJsonObject(texts)) return []
    return [[key, Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, fill(value)]))]]
  })
  return { ...entry, ...Object.fromEntries(filled) }
}

interface UserSecretsOptions {
  readonly address: string
  readonly method: UpstreamAuth
  readonly held: HeldSecrets | undefined
}

/** Throws {@link Unusable}. */
export function userSecretsOf(
  { path, common }: ServerEntry,
  settings: OpenSettings,
  { address, method, held }: UserSecretsOptions,
): Pick<ServerDefinition, 'auth' | 'userVariables' | 'byok'> {
  const identity = JSON.stringify([address, settings['args'] ?? null])
  const ofUsers = common.env_vars.filter(({ scope }) => scope === 'user')
  const declared = ofUsers.map(({ name, description }) => ({ name, description: description ?? undefined }))
  const variables = declared.length > 0 && { userVariables: { declared, held: held?.('variables', identity) } }
  if (!common.is_byok) return { auth: method, ...variables }
  const auth = withUserKeys(method, held?.('credential', identity))
  if (auth === undefined) {
    throw new Unusable(
      [...path, 'is_byok'],
      `needs an auth_type that presents one value, such as bearer_token or api_key; ${method.type} is none`,
    )
  }
  const header = [...(method.writeValue?.(new Secret('')) ?? new Map<string, Secret>()).keys()]
  if (header.some((name) => Object.hasOwn(common.static_headers, name))) {
    throw new Unusable([...path, 'static_headers'], `must not hold ${header.join()}, which is for each user's own key`)
  }
  const byok = { description: common.byok_description, helpUrl: common.byok_api_key_help_url }
  return { auth, byok, ...variables }
}
