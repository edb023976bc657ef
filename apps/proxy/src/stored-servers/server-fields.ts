/**
 * Every setting that a stored server can have, and what is to be known of it: how it is read, whether it is secret, what an
 * answer says where it was not set. Names are those of LiteLLM and of the configuration file alike.
 */
import { z } from 'zod'

const text = z.string().nullish()
const flag = z.boolean().nullish()
const texts = z.array(z.string()).nullish()
const textMap = z.record(z.string(), z.string()).nullish()
const freeForm = z.record(z.string(), z.unknown()).nullish()
const seconds = z.number().positive().nullish()

/** Of a variable the value is secret. */
const environmentVariable = z.strictObject({
  name: z.string().min(1),
  value: text,
  scope: z.enum(['global', 'user']).nullish(),
  description: text,
})

/** What a request says of them, below `credentials`. */
export const credentialFields = {
  auth_value: text,
  authentication_token: text,
  client_id: text,
  client_secret: text,
  scopes: z.union([z.string(), z.array(z.string())]).nullish(),
  aws_access_key_id: text,
  aws_secret_access_key: text,
  aws_session_token: text,
  aws_region_name: text,
  aws_service_name: text,
  aws_role_name: text,
  aws_session_name: text,
  aws_sts_endpoint: text,
}

/** What a request says at its top. */
export const settingFields = {
  description: text,
  instructions: text,
  transport: z.enum(['http', 'sse', 'stdio', 'openapi']).nullish(),
  url: text,
  spec_path: text,
  command: text,
  args: texts,
  env: textMap,
  auth_type: text,
  mcp_info: freeForm,
  allowed_tools: texts,
  disallowed_tools: texts,
  allowed_params: z.record(z.string(), z.array(z.string())).nullish(),
  tool_name_to_display_name: textMap,
  tool_name_to_description: textMap,
  tool_pinning: z.enum(['off', 'warn', 'hold']).nullish(),
  extra_headers: texts,
  static_headers: textMap,
  env_vars: z.array(environmentVariable).nullish(),
  is_byok: flag,
  byok_description: texts,
  byok_api_key_help_url: text,
  issuer: text,
  client_private_key: text,
  client_private_key_id: text,
  client_assertion_signing_alg: text,
  authorization_url: text,
  token_url: text,
  registration_url: text,
  oauth2_flow: z.enum(['client_credentials', 'authorization_code']).nullish(),
  token_endpoint_auth_method: text,
  audience: text,
  token_exchange_endpoint: text,
  subject_token_type: text,
  token_exchange_profile: text,
  resource: text,
  own_callback: flag,
  allow_all_keys: flag,
  oauth_passthrough: flag,
  delegate_auth_to_upstream: flag,
  source_url: text,
  timeout: seconds,
  max_concurrent_requests: z.number().int().positive().nullish(),
  allowed_response_headers: texts,
  auth: freeForm,
  discovery_auth: freeForm,
  isolation: z.enum(['server', 'principal', 'session', 'call']).nullish(),
  prefix: flag,
  require_approval: z.union([z.enum(['always', 'never']), z.record(z.string(), z.unknown())]).nullish(),
  allow_sampling: flag,
  allow_elicitation: flag,
}

/**
 * `plain` is stored and shown as it is. `address` is public as long as it has neither user info nor a query, which may hold a
 * key. The keys in `nested` have a secrecy of their own. Everything in `secret` is sealed.
 */
export type Secrecy = 'plain' | 'address' | 'nested' | 'secret'

interface FieldFacts {
  readonly secrecy: Secrecy
  /** What an answer says where nothing was set. */
  readonly absent: unknown
}

type FieldName = keyof typeof settingFields | keyof typeof credentialFields | 'access_groups'

const plain = { secrecy: 'plain', absent: null } as const
const address = { secrecy: 'address', absent: null } as const
const nested = { secrecy: 'nested', absent: null } as const
const secret = { secrecy: 'secret', absent: null } as const

export const serverFields = {
  description: plain,
  instructions: plain,
  transport: { ...plain, absent: 'http' },
  url: address,
  spec_path: address,
  command: plain,
  args: { ...secret, absent: [] },
  env: { ...secret, absent: {} },
  auth_type: { ...plain, absent: 'none' },
  mcp_info: { ...plain, absent: {} },
  allowed_tools: { ...plain, absent: [] },
  disallowed_tools: { ...plain, absent: [] },
  allowed_params: plain,
  tool_name_to_display_name: plain,
  tool_name_to_description: plain,
  tool_pinning: { ...plain, absent: 'off' },
  extra_headers: { ...plain, absent: [] },
  static_headers: { ...secret, absent: {} },
  env_vars: nested,
  is_byok: { ...plain, absent: false },
  byok_description: { ...plain, absent: [] },
  byok_api_key_help_url: plain,
  issuer: address,
  client_private_key: secret,
  client_private_key_id: plain,
  client_assertion_signing_alg: plain,
  authorization_url: address,
  token_url: address,
  registration_url: address,
  oauth2_flow: plain,
  token_endpoint_auth_method: plain,
  audience: plain,
  token_exchange_endpoint: address,
  subject_token_type: plain,
  token_exchange_profile: plain,
  resource: address,
  own_callback: plain,
  allow_all_keys: { ...plain, absent: false },
  oauth_passthrough: { ...plain, absent: false },
  delegate_auth_to_upstream: { ...plain, absent: false },
  source_url: address,
  timeout: plain,
  max_concurrent_requests: plain,
  allowed_response_headers: plain,
  auth: nested,
  discovery_auth: nested,
  isolation: plain,
  prefix: plain,
  require_approval: plain,
  allow_sampling: plain,
  allow_elicitation: plain,
  auth_value: secret,
  authentication_token: secret,
  client_id: plain,
  client_secret: secret,
  scopes: plain,
  aws_access_key_id: secret,
  aws_secret_access_key: secret,
  aws_session_token: secret,
  aws_region_name: plain,
  aws_service_name: plain,
  aws_role_name: plain,
  aws_session_name: plain,
  aws_sts_endpoint: address,
  access_groups: { ...plain, absent: [] },
} satisfies Readonly<Record<FieldName, FieldFacts>>

const secrecies: ReadonlyMap<string, Secrecy> = new Map([
  ...Object.entries(serverFields).map(([field, { secrecy }]) => [field, secrecy] as const),
  // Of `auth.cookie_passthrough`.
  ['cookie_names', 'plain'],
  ['enabled', 'plain'],
])

/** Closed by default: a setting that nobody has heard of is a secret. */
export function secrecyOf(key: string): Secrecy {
  return secrecies.get(key) ?? 'secret'
}

/**
 * Where a server, and what gives the gateway tokens for it, is dialled, as paths in its settings. An address of the API among them is
 * guarded, and a stored secret does not follow to another one.
 */
export const dialledPaths: readonly (readonly string[])[] = [
  ['url'],
  ['spec_path'],
  ...['token_url', 'issuer', 'token_exchange_endpoint', 'aws_sts_endpoint'].flatMap((name) => [
    [name],
    ['discovery_auth', name],
    ['auth', 'oauth2', name],
  ]),
]

/** The settings at the top of an answer, as they are where nothing was set. */
export const absentSettings: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(serverFields).flatMap(([field, { absent }]) =>
    Object.hasOwn(settingFields, field) ? [[field, absent]] : [],
  ),
)

/** A setting as a request spells it. */
export function requestField(field: string): string {
  if (field === 'access_groups') return 'mcp_access_groups'
  return Object.hasOwn(credentialFields, field) ? `credentials.${field}` : field
}
