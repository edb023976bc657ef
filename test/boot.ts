import { setImmediate } from 'node:timers/promises'
import { createSealer, deriveSealingKey, type Sealer, upstreamAuthMethods } from '@toolgate/auth'
import { type Clock, type Logger, type NewId, type ResolveName, Secret, silentLogger } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { transports } from '@toolgate/manager'
import {
  type App,
  createApp,
  createServices,
  loadSource,
  parseSource,
  readEnvironment,
  type Services,
} from '@toolgate/proxy'
import { openTestDatabase } from '@toolgate/testing/database'

/** A whole gateway in this process, with the real composition; only the port is missing. */
export interface Booted extends AsyncDisposable {
  readonly app: App
  readonly services: Services
  readonly masterKey: string
  /** A request as a client sends it; a body that is no string is sent as JSON. Authenticated as admin unless `key` says otherwise. */
  request(path: string, options?: RequestOptions): Promise<Response>
  /** The same, its status checked and its body read. */
  json(path: string, options?: RequestOptions & { status?: number }): Promise<JsonAnswer>
  /** For SDKs that take a `fetch`: everything they send comes here. */
  readonly fetch: typeof globalThis.fetch
  /** Rewrites the configuration file and tells nobody. */
  rewrite(config: string | object): void
  /** Rewrites the configuration file and has it reloaded through the admin API. Its answer, status checked. */
  reload(config: string | object, options?: { status?: number }): Promise<JsonAnswer>
  /** A new virtual key, made through the key API. */
  makeKey(request?: object): Promise<string>
}

export interface RequestOptions {
  readonly method?: string
  /** `null`: no credential at all. */
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly signal?: AbortSignal
}

// A test reads answers of many shapes; what it expects of them, it says with matchers.
export type JsonAnswer = Record<string, unknown>

export interface BootOptions {
  /** The configuration as YAML or as the object that it would be. */
  readonly config?: string | object
  readonly env?: Readonly<Record<string, string>>
  /** Closed with the gateway. Default: an embedded one in memory. */
  readonly database?: Database
  readonly log?: Logger
  readonly clock?: Clock
  readonly newId?: NewId
  readonly sealer?: Sealer
  /** Default: the resolver of this machine. */
  readonly resolveName?: ResolveName
}

const masterKey = 'sk-master-key-of-this-test'
const sealingKey = deriveSealingKey(new Secret('the encryption key of this test'))

export async function boot({
  config = {},
  env = {},
  database,
  log = silentLogger,
  sealer = createSealer({ keys: [sealingKey] }),
  ...seams
}: BootOptions = {}): Promise<Booted> {
  let file = textOf(config)
  const environment = readEnvironment({ LITELLM_MASTER_KEY: masterKey, ...env })
  const readConfig = () =>
    loadSource(parseSource(file, 'test.yaml'), {
      environment,
      keys: { transports, authMethods: upstreamAuthMethods },
    })
  const loaded = readConfig()
  const faults = watchForFaults()
  const services = await createServices({
    loaded,
    readAgain: readConfig,
    masterKey: loaded.config.masterKey ?? new Secret(masterKey),
    sealer,
    database: database ?? (await openTestDatabase()),
    log,
    ...seams,
  })
  services.lifecycle.enter('ready')
  const app = createApp(services)

  const request: Booted['request'] = async (path, { method, key = masterKey, headers = {}, body, signal } = {}) =>
    app.request(path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(key !== null && { 'x-litellm-api-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    })

  const json: Booted['json'] = async (path, { status = 200, ...options } = {}) => {
    const response = await request(path, options)
    const answer = await response.text()
    if (response.status !== status) throw new Error(`${path} answered ${response.status}, not ${status}: ${answer}`)
    return JSON.parse(answer)
  }

  return {
    app,
    services,
    masterKey,
    request,
    json,
    fetch: async (input, init) => app.request(input instanceof Request ? input : new Request(input, init)),
    rewrite(changed) {
      file = textOf(changed)
    },
    reload(changed, { status = 200 } = {}) {
      file = textOf(changed)
      return json('/config/reload', { method: 'POST', status })
    },
    async makeKey(requested = {}) {
      const { key } = await json('/key/generate', { body: requested })
      if (typeof key !== 'string') throw new Error('no key was made')
      return key
    },
    async [Symbol.asyncDispose]() {
      await services.close()
      await faults.expectNone()
    },
  }
}

function textOf(config: string | object): string {
  return typeof config === 'string' ? config : JSON.stringify(config)
}

/** The process reports a promise that failed unhandled as a fault of toolgate; here it fails the test. */
function watchForFaults() {
  const faults: unknown[] = []
  const note = (reason: unknown) => void faults.push(reason)
  process.on('unhandledRejection', note)
  return {
    async expectNone() {
      // They are told between two turns of the event loop.
      await setImmediate()
      process.off('unhandledRejection', note)
      if (faults.length > 0) throw new AggregateError(faults, 'promises failed and nobody handled it')
    },
  }
}

/** A logger that keeps every line as text, the way the process would print it. */
export function recordingLog(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  const write = (fields: object, message: string) =>
    void lines.push(JSON.stringify({ ...fields, message }, plainErrors))
  return { lines, debug: write, info: write, warn: write, error: write }
}

/** Errors are objects without enumerable fields; what they say, and what they hide, must be seen. */
function plainErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  return {
    ...Object.fromEntries(Object.entries(value)),
    name: value.name,
    message: value.message,
    stack: value.stack,
    cause: value.cause,
  }
}
