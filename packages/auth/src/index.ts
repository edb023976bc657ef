export {
  type Authenticate,
  type AuthenticatorOptions,
  createAuthenticator,
} from './inbound/authenticate.ts'
export type { Authenticator } from './inbound/authenticator.ts'
export {
  gatewayKeyHeader,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  type Presented,
  type PresentedOptions,
  readPresented,
} from './inbound/presented.ts'
export { type ConfigKeyEntry, upsertConfigKeys, type UpsertConfigKeysOptions } from './keys/config-keys.ts'
export { type GenerateKeyRequest, generateKeySchema } from './keys/generate-request.ts'
export type { DefaultAccess } from './keys/grants.ts'
export { createKeyCache, type KeyCache, type KeyCacheOptions } from './keys/key-cache.ts'
export { displayKey, hashKey, keyHashOf, newKey } from './keys/key-format.ts'
export type { GeneratedKey, TokenRow } from './keys/key-response.ts'
export type { ConfigKeySync, KeyStore } from './keys/key-store.ts'
export { createPostgresKeyStore } from './keys/key-store.postgres.ts'
export { listKeysSchema } from './keys/list-query.ts'
export {
  blockKeySchema,
  createVirtualKeys,
  deleteKeysSchema,
  type KeyList,
  type VirtualKeys,
  type VirtualKeysOptions,
} from './keys/virtual-keys.ts'
export {
  type ClientCredentials,
  type ClientCredentialsOptions,
  createClientCredentials,
  defaultTokenTuning,
  type TokenSource,
  type TokenTuning,
} from './tokens/client-credentials.ts'
export { createSealer, deriveSealingKey, parseEncryptionKey, type Sealer, type SealingKey } from './tokens/sealing.ts'
export { verifySealingKey } from './tokens/sealing-check.postgres.ts'
export type { ClientAuthMethod, ClientCredentialsGrant } from './tokens/token-endpoint.ts'
export { isForwardableHeader } from './upstream/header-names.ts'
export { upstreamAuthMethods } from './upstream/index.ts'
export type { UpstreamAuthOptions } from './upstream/options.ts'
export { type CredentialSourceOptions, createCredentialSource } from './upstream/resolve.ts'
