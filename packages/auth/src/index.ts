export { type Authenticate, createAuthenticator, isWellFormedCredential } from './inbound/authenticate.ts'
export { carries } from './inbound/carries.ts'
export { signedInPersonSchema } from './inbound/jwt/person.ts'
export type { JwtIssuer, JwtMapping, JwtSettings } from './inbound/jwt/jwt-settings.ts'
export { createStoreContact, type StoreContact } from './keys/store-contact.ts'
export { ownSecretPrefixes } from './oauth/tokens.ts'
export { createOwnKeyFilter, looksLikeOwnKey, type WithoutOwnKeys } from './inbound/own-keys.ts'
export {
  gatewayCookie,
  gatewayKeyHeader,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  presentedClient,
  readPresented,
  withKeyOfQuery,
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
export { createPostgresKeySpendStore } from './keys/key-spend.postgres.ts'
export { notEnforcedKeyFields } from './keys/not-enforced.ts'
export { createKeyAdmission, type KeyAdmission } from './inbound/key-admission.ts'
export { createKeyPrincipals, type KeyPrincipals } from './inbound/key-principals.ts'
export { keyInfosSchema } from './keys/read-keys.ts'
export { createKeyRotationWorker, type KeyRotationWorker } from './keys/rotation-worker.ts'
export { createVirtualKeys, type VirtualKeys } from './keys/virtual-keys.ts'
export { type AccessTokens, createAccessTokens } from './oauth/access-tokens.ts'
export {
  type AuthorizationRequest,
  type RefusedRequest,
  readAuthorizationRequest,
  single,
} from './oauth/authorization-request.ts'
export { type AuthorizationServer, createAuthorizationServer } from './oauth/authorization-server.ts'
export { displayName } from './oauth/client-metadata.ts'
export type { OauthClient, PresentedClient } from './oauth/clients.ts'
export { type Consenter, createConsenters } from './oauth/consenters.ts'
export { createPendingRequests, type PendingRequests } from './oauth/pending-requests.ts'
export { createPeople } from './oauth/people.ts'
export type { PersonSignInSettings } from './oauth/person-settings.ts'
export { createPersonSignIn } from './oauth/person-sign-in.ts'
export { createPostgresGrantStore } from './oauth/grant-store.postgres.ts'
export { createRateLimit, type RateLimit } from './oauth/rate-limit.ts'
export { oauthError } from './oauth/oauth-error.ts'
export { describeRedirect, isTrustedRedirect, type TrustedRedirects } from './oauth/redirect-uris.ts'
export { createRelayedTokens } from './oauth/relayed-tokens.ts'
export { mcpScope } from './oauth/token-issuer.ts'
export { createClientCredentials } from './tokens/client-credentials.ts'
export { createTokenExchange } from './tokens/token-exchange.ts'
export { followSealingKey } from './tokens/follow-sealing-key.postgres.ts'
export { rotateEncryption, type RotatedColumn } from './tokens/rotate-encryption.postgres.ts'
export {
  createSealer,
  deriveSealingKey,
  parseEncryptionKey,
  type Sealer,
  type SealingKey,
  sealingKeyIdOf,
} from './tokens/sealing.ts'
export { verifySealingKey } from './tokens/sealing-check.postgres.ts'
export { ownClientDocument } from './user-tokens/own-client.ts'
export { createUpstreamClient } from './user-tokens/upstream-client.ts'
export { createUserTokenMemory, type UserTokenMemory } from './user-tokens/user-token-memory.ts'
export { createPostgresUserTokenStore } from './user-tokens/user-token-store.postgres.ts'
export {
  createOrphanedAccounts,
  type DeclaredServers,
  keptIdentities,
  type OrphanedAccounts,
} from './user-tokens/orphaned-accounts.ts'
export { createPostgresOrphanStore } from './user-tokens/orphaned-accounts.postgres.ts'
export { createUserTokens, ownerOf, type UserTokens } from './user-tokens/user-tokens.ts'
export { isForwardableHeader, isReservedUpstream } from './upstream/header-names.ts'
export { upstreamAuthMethods } from './upstream/index.ts'
export type { UpstreamAuthOptions } from './upstream/options.ts'
export type { CredentialPlan } from './upstream/credential-plan.ts'
export { createCredentialSource, type ExplainedCredentialSource } from './upstream/resolve.ts'
export type { HeldSecrets } from './user-tokens/held-secrets.ts'
export { withUserKeys } from './upstream/user-key.ts'
export { missingVariables, readVariables, setVariables, writeVariables } from './upstream/user-variables.ts'
