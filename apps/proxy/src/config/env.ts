/**
 * The only reader of the process's environment. Everything else gets what it needs as a value.
 */
import { parseDuration, type TrustedRedirects } from '@toolgate/auth'
import { Secret } from '@toolgate/core'
import { formOfDatabaseUrl, isDatabaseUrl } from '@toolgate/db'
import { z } from 'zod'
import {
  addressRequirements,
  addressVariables,
  type PublicAddressSettings,
  toPublicAddress,
  toTrustedRedirects,
} from './address-variables.ts'
import {
  encryptionRequirements,
  type EncryptionSettings,
  encryptionVariables,
  toEncryption,
} from './encryption-variables.ts'
import type { Lookup } from './interpolate.ts'
import type { JwtVariables } from './jwt-settings.ts'
import { configurationError } from './report.ts'
import { amount, flag, headerName, seconds, timeout } from './scalars.ts'

/** The environment, checked. Names ending in `Ms` are milliseconds. */
export interface Environment extends EncryptionSettings {
  /** `CONFIG_FILE_PATH` */
  readonly configFile: string | undefined
  /** `PORT`; 0 lets the system choose. */
  readonly port: number
  /** `HOST` */
  readonly host: string
  /** `LOG_LEVEL` */
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** `TOOLGATE_DATA_DIR` */
  readonly dataDirectory: string | undefined
  /** `LITELLM_MASTER_KEY` */
  readonly masterKey: Secret | undefined
  /** `DATABASE_URL` */
  readonly databaseUrl: Secret | undefined
  /** `LITELLM_MCP_CLIENT_TIMEOUT` */
  readonly callTimeoutMs: number
  /** `LITELLM_MCP_TOOL_LISTING_TIMEOUT` */
  readonly listTimeoutMs: number
  /** `LITELLM_MCP_CLIENT_SIDE_AUTH_HEADER_NAME`, lower-case. */
  readonly clientSideAuthHeader: string | undefined
  /** `LITELLM_USE_SHORT_MCP_TOOL_PREFIX` */
  readonly shortToolPrefix: boolean
  /** `MCP_TOOL_PREFIX_SEPARATOR` */
  readonly toolPrefixSeparator: string
  /** How MCP endpoints of several servers introduce themselves. */
  readonly mcpIdentity: { readonly name: string; readonly description: string | undefined }
  /** `LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER` */
  readonly sessionsPerOwner: number
  /** Commands that servers of the API may run, by their base name; undefined: none, they are switched off. */
  readonly stdioCommands: ReadonlySet<string> | undefined
  readonly toolFilter: ToolFilterDefaults
  readonly keyRotation: KeyRotationSettings
  readonly tokenCache: TokenCacheSettings
  /** `LITELLM_MCP_AUTH_AUTO_PATCH`: give the token below to the file's servers that declare no authentication. */
  readonly oauth2ForServersWithoutAuth: boolean
  readonly oauth2: OAuth2Defaults
  readonly jwt: JwtVariables
  readonly publicAddress: PublicAddressSettings
  /** `MCP_TRUSTED_REDIRECT_ORIGINS` and `MCP_TRUSTED_NATIVE_REDIRECT_URIS` */
  readonly trustedRedirects: TrustedRedirects
  /** Any variable by name, for references in the configuration. */
  readonly lookup: Lookup
  /** The same with the file's `environment_variables` beneath it: what the process was started with wins. */
  withDefaults(variables: Readonly<Record<string, string>>): Environment
}

/** `DEFAULT_MCP_SEMANTIC_FILTER_*` and `MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH`. */
export interface ToolFilterDefaults {
  readonly embeddingModel: string
  readonly topK: number
  readonly similarityThreshold: number
  readonly maxHeaderLength: number
}

/** `LITELLM_KEY_ROTATION_*` */
export interface KeyRotationSettings {
  /** Keys that are due are looked for and announced. */
  readonly enabled: boolean
  readonly checkEveryMs: number
  /** How long a key goes on after its holder has fetched the next one. */
  readonly graceMs: number
}

/** `MCP_OAUTH2_TOKEN_CACHE_*`, `MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS`, `MCP_PER_USER_TOKEN_EXPIRY_BUFFER_SECONDS`. */
export interface TokenCacheSettings {
  readonly defaultTtlMs: number
  readonly minTtlMs: number
  readonly maxEntries: number
  readonly maxExchanged: number
  readonly expiryBufferMs: number
  readonly ofUsersBufferMs: number
}

/** `MCP_OAUTH2_TOKEN_URL`, `_CLIENT_ID`, `_CLIENT_SECRET`, `_SCOPES`, `_ALLOWED_HOSTS`. */
export interface OAuth2Defaults {
  readonly tokenUrl: string | undefined
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
  readonly scopes: readonly string[]
  /** Absent: every host. `*.example.com` covers the names below a domain. */
  readonly allowedHosts: readonly string[] | undefined
}

type Variables = Readonly<Record<string, string | undefined>>

const secret = z.string().transform((value) => new Secret(value))
const list = z.string().transform((value) => value.split(/[\s,]+/).filter((item) => item !== ''))
const wholeNumber = z.string().regex(/^\d+$/).transform(Number)
const milliseconds = amount('a number of seconds').transform((value) => Math.round(value * 1000))

const similarity = z
  .string()
  .regex(/^-?(?:0?\.\d+|[01](?:\.\d+)?)$/)
  .transform(Number)
  .refine((value) => value >= -1 && value <= 1)

/** What a timer of Node holds. */
const longestTimerMs = 2_147_483_647
const duration = z.string().transform((value, context) => {
  const parsed = parseDuration(value)
  if (parsed?.unit === 'milliseconds') return parsed.amount
  context.addIssue('must be a duration')
  return z.NEVER
})

/** Sessions of one owner are looked through whenever it opens one. */
const maxSessionsPerOwner = 10_000

/** LiteLLM takes more words here than elsewhere. */
const wordyFlag = z.stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] })

const variablesSchema = z.object({
  CONFIG_FILE_PATH: z.string().optional(),
  PORT: wholeNumber.refine((value) => value <= 65_535).default(4000),
  HOST: z.string().default('127.0.0.1'),
  LOG_LEVEL: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']))
    .default('info'),
  TOOLGATE_DATA_DIR: z.string().optional(),
  LITELLM_MASTER_KEY: secret.optional(),
  DATABASE_URL: secret.refine(isDatabaseUrl).optional(),
  LITELLM_MCP_CLIENT_TIMEOUT: timeout.default(60_000),
  LITELLM_MCP_TOOL_LISTING_TIMEOUT: timeout.default(30_000),
  LITELLM_MCP_CLIENT_SIDE_AUTH_HEADER_NAME: headerName.optional(),
  MCP_TOOL_PREFIX_SEPARATOR: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,8}$/)
    .default('-'),
  LITELLM_USE_SHORT_MCP_TOOL_PREFIX: wordyFlag.default(false),
  LITELLM_MCP_SERVER_NAME: z.string().default('toolgate'),
  LITELLM_MCP_SERVER_DESCRIPTION: z.string().optional(),
  LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER: wholeNumber
    .refine((value) => value > 0 && value <= maxSessionsPerOwner)
    .default(100),
  LITELLM_ENABLE_MCP_STDIO: flag.default(false),
  LITELLM_MCP_STDIO_EXTRA_COMMANDS: list.default([]),
  DEFAULT_MCP_SEMANTIC_FILTER_EMBEDDING_MODEL: z.string().default('text-embedding-3-small'),
  DEFAULT_MCP_SEMANTIC_FILTER_TOP_K: wholeNumber.refine((value) => value >= 1 && value <= 1_000).default(10),
  DEFAULT_MCP_SEMANTIC_FILTER_SIMILARITY_THRESHOLD: similarity.default(0.3),
  MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH: wholeNumber
    .refine((value) => value >= 10 && value <= 4_096)
    .default(150),
  LITELLM_KEY_ROTATION_ENABLED: flag.default(false),
  LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: seconds.refine((value) => value <= longestTimerMs).default(86_400_000),
  LITELLM_KEY_ROTATION_GRACE_PERIOD: duration.default(86_400_000),
  MCP_OAUTH2_TOKEN_CACHE_DEFAULT_TTL: seconds.default(3_600_000),
  MCP_OAUTH2_TOKEN_CACHE_MIN_TTL: milliseconds.default(10_000),
  MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE: wholeNumber.refine((value) => value > 0).default(200),
  MCP_TOKEN_EXCHANGE_CACHE_MAX_SIZE: wholeNumber.refine((value) => value > 0).default(500),
  MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS: milliseconds.default(60_000),
  MCP_PER_USER_TOKEN_EXPIRY_BUFFER_SECONDS: milliseconds.default(60_000),
  LITELLM_MCP_AUTH_AUTO_PATCH: flag.default(false),
  MCP_OAUTH2_TOKEN_URL: z.url({ protocol: /^https?$/ }).optional(),
  MCP_OAUTH2_CLIENT_ID: z.string().optional(),
  MCP_OAUTH2_CLIENT_SECRET: secret.optional(),
  MCP_OAUTH2_SCOPES: list.default([]),
  MCP_OAUTH2_ALLOWED_HOSTS: list.optional(),
  JWT_PUBLIC_KEY_URL: z.url({ protocol: /^https?$/ }).optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: list.optional(),
  ...encryptionVariables.shape,
  ...addressVariables.shape,
})

/** LiteLLM's list: what runs published servers. With any of them its arguments may run anything. */
const stdioCommands = ['npx', 'uvx', 'python', 'python3', 'node', 'docker', 'deno']

/** Completes "NAME must be …" for every variable that can be wrong. */
const requirements: Partial<Record<keyof z.output<typeof variablesSchema>, string>> = {
  PORT: 'a port number from 0 to 65535',
  LOG_LEVEL: 'one of trace, debug, info, warn, error, fatal, silent',
  DATABASE_URL: formOfDatabaseUrl,
  LITELLM_MCP_CLIENT_TIMEOUT: 'a number of seconds above 0 and up to 86400',
  LITELLM_MCP_TOOL_LISTING_TIMEOUT: 'a number of seconds above 0 and up to 86400',
  LITELLM_MCP_CLIENT_SIDE_AUTH_HEADER_NAME: 'the name of a header',
  MCP_TOOL_PREFIX_SEPARATOR: '1 to 8 letters, digits, underscores, dots or hyphens',
  DEFAULT_MCP_SEMANTIC_FILTER_TOP_K: 'a whole number from 1 to 1000',
  DEFAULT_MCP_SEMANTIC_FILTER_SIMILARITY_THRESHOLD: 'a number from -1 to 1',
  MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH: 'a whole number from 10 to 4096',
  LITELLM_KEY_ROTATION_ENABLED: 'true or false',
  LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: 'a number of seconds above 0 and below 2147484',
  LITELLM_KEY_ROTATION_GRACE_PERIOD: 'a duration in s, m, h, d or w, for example 48h',
  MCP_OAUTH2_TOKEN_CACHE_DEFAULT_TTL: 'a number of seconds above 0',
  MCP_OAUTH2_TOKEN_CACHE_MIN_TTL: 'a number of seconds',
  MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE: 'a whole number above 0',
  MCP_TOKEN_EXCHANGE_CACHE_MAX_SIZE: 'a whole number above 0',
  MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS: 'a number of seconds',
  MCP_PER_USER_TOKEN_EXPIRY_BUFFER_SECONDS: 'a number of seconds',
  LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER: 'a whole number from 1 to 10000',
  LITELLM_USE_SHORT_MCP_TOOL_PREFIX: 'true or false',
  LITELLM_ENABLE_MCP_STDIO: 'true or false',
  LITELLM_MCP_AUTH_AUTO_PATCH: 'true or false',
  MCP_OAUTH2_TOKEN_URL: 'an http or https address',
  JWT_PUBLIC_KEY_URL: 'an http or https address',
  ...encryptionRequirements,
  ...addressRequirements,
}

/** Checks the variables we know. Throws one line per variable that is wrong; an empty variable counts as unset. */
export function readEnvironment(variables: Variables = process.env): Environment {
  const known = Object.keys(variablesSchema.shape).flatMap((name) => {
    const value = variables[name]
    return value === undefined || value === '' ? [] : [[name, value]]
  })
  const parsed = variablesSchema.safeParse(Object.fromEntries(known))
  if (!parsed.success) throw configurationError(explain(parsed.error.issues))
  return toEnvironment(parsed.data, variables)
}

function explain(issues: readonly z.core.$ZodIssue[]): string[] {
  const wrong = new Set(issues.map((issue) => issue.path[0]))
  return variablesSchema
    .keyof()
    .options.filter((name) => wrong.has(name))
    .map((name) => `Environment variable ${name} must be ${requirements[name] ?? 'a string'}.`)
}

function toEnvironment(checked: z.output<typeof variablesSchema>, variables: Variables): Environment {
  return {
    configFile: checked.CONFIG_FILE_PATH,
    port: checked.PORT,
    host: checked.HOST,
    logLevel: checked.LOG_LEVEL,
    dataDirectory: checked.TOOLGATE_DATA_DIR,
    masterKey: checked.LITELLM_MASTER_KEY,
    databaseUrl: checked.DATABASE_URL,
    ...toEncryption(checked),
    callTimeoutMs: checked.LITELLM_MCP_CLIENT_TIMEOUT,
    listTimeoutMs: checked.LITELLM_MCP_TOOL_LISTING_TIMEOUT,
    clientSideAuthHeader: checked.LITELLM_MCP_CLIENT_SIDE_AUTH_HEADER_NAME,
    shortToolPrefix: checked.LITELLM_USE_SHORT_MCP_TOOL_PREFIX,
    toolPrefixSeparator: checked.MCP_TOOL_PREFIX_SEPARATOR,
    mcpIdentity: { name: checked.LITELLM_MCP_SERVER_NAME, description: checked.LITELLM_MCP_SERVER_DESCRIPTION },
    sessionsPerOwner: checked.LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER,
    stdioCommands: checked.LITELLM_ENABLE_MCP_STDIO
      ? new Set([...stdioCommands, ...checked.LITELLM_MCP_STDIO_EXTRA_COMMANDS])
      : undefined,
    toolFilter: {
      embeddingModel: checked.DEFAULT_MCP_SEMANTIC_FILTER_EMBEDDING_MODEL,
      topK: checked.DEFAULT_MCP_SEMANTIC_FILTER_TOP_K,
      similarityThreshold: checked.DEFAULT_MCP_SEMANTIC_FILTER_SIMILARITY_THRESHOLD,
      maxHeaderLength: checked.MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH,
    },
    keyRotation: {
      enabled: checked.LITELLM_KEY_ROTATION_ENABLED,
      checkEveryMs: checked.LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS,
      graceMs: checked.LITELLM_KEY_ROTATION_GRACE_PERIOD,
    },
    tokenCache: {
      defaultTtlMs: checked.MCP_OAUTH2_TOKEN_CACHE_DEFAULT_TTL,
      minTtlMs: checked.MCP_OAUTH2_TOKEN_CACHE_MIN_TTL,
      maxEntries: checked.MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE,
      maxExchanged: checked.MCP_TOKEN_EXCHANGE_CACHE_MAX_SIZE,
      expiryBufferMs: checked.MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS,
      ofUsersBufferMs: checked.MCP_PER_USER_TOKEN_EXPIRY_BUFFER_SECONDS,
    },
    oauth2ForServersWithoutAuth: checked.LITELLM_MCP_AUTH_AUTO_PATCH,
    oauth2: {
      tokenUrl: checked.MCP_OAUTH2_TOKEN_URL,
      clientId: checked.MCP_OAUTH2_CLIENT_ID,
      clientSecret: checked.MCP_OAUTH2_CLIENT_SECRET,
      scopes: checked.MCP_OAUTH2_SCOPES,
      allowedHosts: checked.MCP_OAUTH2_ALLOWED_HOSTS,
    },
    jwt: { jwksUrl: checked.JWT_PUBLIC_KEY_URL, issuer: checked.JWT_ISSUER, audiences: checked.JWT_AUDIENCE },
    publicAddress: toPublicAddress(checked),
    trustedRedirects: toTrustedRedirects(checked),
    lookup: (name) => variables[name],
    withDefaults: (defaults) => readEnvironment({ ...defaults, ...variables }),
  }
}
