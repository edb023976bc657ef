export { type Authenticate, createAuthenticator } from './inbound/authenticate.ts'
export { carries } from './inbound/carries.ts'
export type { JwtIssuer, JwtMapping, JwtSettings } from './inbound/jwt/jwt-settings.ts'
export { createOwnKeyFilter, type WithoutOwnKeys } from './inbound/own-keys.ts'
export {
  gatewayKeyHeader,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  readPresented,
} from './inbound/presented.ts'
export { blockKeySchema, deleteKeysSchema } from './keys/change-keys.ts'
export { bulkUpdateSchema, regenerateKeySchema, resetSpendSchema, updateKeySchema } from './keys/change-request.ts'
export { type ConfigKeyProblem, configKeyProblems, upsertConfigKeys } from './keys/config-keys.ts'
export { parseDuration } from './keys/durations.ts'
export { generateKeySchema } from './keys/generate-request.ts'
export {
  fieldAboveBound,
  type KeyDefaults,
  keyDefaultsSchema,
  type KeyUpperBounds,
  keyUpperBoundsSchema,
} from './keys/key-bounds.ts'
export { invalidRequest, parseRequest, unknownFields } from './keys/invalid-request.ts'
export { createKeyCache } from './keys/key-cache.ts'
export { hashKey, keyHashOf } from './keys/key-format.ts'
export { createPostgresKeyRotationStore } from './keys/key-rotation.postgres.ts'
export { createPostgresKeyStore } from './keys/key-store.postgres.ts'
export { listAliasesSchema, listKeysSchema } from './keys/list-query.ts'
export { notEnforcedKeyFields } from './keys/not-enforced.ts'
export { createKeyPrincipals, type KeyPrincipals } from './inbound/key-principals.ts'
export { keyInfosSchema } from './keys/read-keys.ts'
export { createKeyRotationWorker, type KeyRotationWorker } from './keys/rotation-worker.ts'
export { createVirtualKeys, type VirtualKeys } from './keys/virtual-keys.ts'
export { createClientCredentials } from './tokens/client-credentials.ts'
export { createSealer, deriveSealingKey, parseEncryptionKey, type Sealer } from './tokens/sealing.ts'
export { verifySealingKey } from './tokens/sealing-check.postgres.ts'
export { isForwardableHeader, isReservedUpstream } from './upstream/header-names.ts'
export { upstreamAuthMethods } from './upstream/index.ts'
export type { UpstreamAuthOptions } from './upstream/options.ts'
export { type CredentialPlan, createCredentialSource, type ExplainedCredentialSource } from './upstream/resolve.ts'
