/** What tests need to turn entries into servers: the real authentication methods, and transports that connect nowhere. */
import { createHash } from 'node:crypto'
import {
  createClientCredentials,
  createTokenExchange,
  type UpstreamAuthOptions,
  upstreamAuthMethods,
} from '@toolgate/auth'
import { createOutbound, definePlug, plugRegistry, silentLogger, systemClock } from '@toolgate/core'
import { createChildProcesses, type TransportOptions, type UpstreamTransport } from '@toolgate/manager'
import { z } from 'zod'
import { readEnvironment } from './env.ts'
import { type LoadedConfig, loadSource } from './load.ts'
import { createDigest, type ServerOptions } from './servers.ts'
import { parseSource } from './source.ts'

function unconnected(type: string, address: string): UpstreamTransport {
  return {
    type,
    address,
    sharing: 'always',
    sendsHeaders: type !== 'stdio',
    connect: () => Promise.reject(new Error('this transport connects nowhere')),
  }
}

const remote = z.strictObject({ url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }) })
const local = z.strictObject({
  command: z.string(),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  cwd: z.string(),
})

const described = z.strictObject({ spec_path: z.string(), url: z.string().optional() })

const transports = plugRegistry<TransportOptions, UpstreamTransport>([
  definePlug({ type: 'http', schema: remote, create: ({ url }) => unconnected('http', url) }),
  definePlug({ type: 'sse', schema: remote, create: ({ url }) => unconnected('sse', url) }),
  definePlug({
    type: 'stdio',
    schema: local,
    create: ({ command, args, cwd }) => unconnected('stdio', `${[command, ...args].join(' ')} (in ${cwd})`),
  }),
  definePlug({ type: 'openapi', schema: described, create: ({ spec_path: path }) => unconnected('openapi', path) }),
])

const outbound = createOutbound()

export const serverOptions: ServerOptions<UpstreamAuthOptions> = {
  transports,
  authMethods: upstreamAuthMethods,
  transportOptions: {
    outbound,
    guardedOutbound: outbound,
    clock: systemClock,
    log: silentLogger,
    clientInfo: { name: 'test', version: '0' },
    children: createChildProcesses({ log: silentLogger }),
  },
  authOptions: (report) => ({
    tokens: createClientCredentials({ outbound, clock: systemClock }),
    exchange: createTokenExchange({ outbound, clock: systemClock }),
    outbound,
    report,
  }),
  hashKey: (key) => createHash('sha256').update(key.reveal()).digest('hex'),
  digest: createDigest(),
}

/** Loads `text` as if it were a file of that name, in an environment of just these variables. */
export function load(
  text: string,
  variables: Record<string, string> = {},
  file = '/etc/toolgate/config.yaml',
): LoadedConfig {
  return loadSource(parseSource(text, file), { environment: readEnvironment(variables), keys: serverOptions })
}
