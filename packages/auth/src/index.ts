export { type Authenticate, createAuthenticator } from './inbound/authenticate.ts'
export { carries } from './inbound/carries.ts'
export { createOwnKeyFilter, type WithoutOwnKeys } from './inbound/own-keys.ts'
export {
  gatewayKeyHeader,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  readPresented,
} from './inbound/presented.ts'
export { type ConfigKeyProblem, configKeyProblems, upsertConfigKeys } from './keys/config-keys.ts'
export { generateKeySchema } from './keys/generate-request.ts'
export { createKeyCache } from './keys/key-cache.ts'
export { hashKey } from './keys/key-format.ts'
export { createPostgresKeyStore } from './keys/key-store.postgres.ts'
export { listKeysSchema } from './keys/list-query.ts'
export { notEnforcedKeyFields } from './keys/not-enforced.ts'
export { blockKeySchema, createVirtualKeys, deleteKeysSchema, type VirtualKeys } from './keys/virtual-keys.ts'
export { createClientCredentials } from './tokens/client-credentials.ts'
export { createSealer, deriveSealingKey, parseEncryptionKey } from './tokens/sealing.ts'
export { verifySealingKey } from './tokens/sealing-check.postgres.ts'
export { upstreamAuthMethods } from './upstream/index.ts'
export type { UpstreamAuthOptions } from './upstream/options.ts'
export { createCredentialSource } from './upstream/resolve.ts'
