import {
  createAuthenticator,
  createKeyCache,
  createKeyPrincipals,
  createKeyRotationWorker,
  createOwnKeyFilter,
  createPostgresKeyRotationStore,
  createPostgresKeyStore,
  createVirtualKeys,
  type HeaderNames,
  upsertConfigKeys,
} from '@toolgate/auth'
import type { LoadedConfig } from './config/load.ts'
import type { VirtualKeyEntry } from './config/virtual-keys.ts'
import type { Foundation } from './foundation.ts'
import { replaceConfigKeys } from './reload/config-keys.ts'

/** Who calls: keys of the file into the store, the cache in front of it, and the ways to prove an identity. */
export async function composeIdentity(foundation: Foundation) {
  const { loaded, live, masterKey, database, log, clock, newId, outbound } = foundation
  const store = createPostgresKeyStore(database, newId)
  const sync = (keys: readonly VirtualKeyEntry[]) => upsertConfigKeys(keys, { store, log, clock, newId })
  await sync(loaded.config.virtualKeys)
  const keyCache = createKeyCache({ store, feed: database, log, clock })
  await keyCache.start()
  const rotation = startKeyRotation({ loaded, database, log, clock, newId })
  const neverForwarded = [masterKey]
  const headerNames = (): HeaderNames => {
    const { keyHeader, clientSideAuthHeader } = live.current.config
    return { keyHeaderName: keyHeader, legacyAuthHeaderName: clientSideAuthHeader, neverForwarded }
  }
  return {
    keyCache,
    async closeIdentity() {
      await rotation?.close()
      await keyCache.close()
    },
    headerNames,
    keys: createVirtualKeys({
      store,
      log,
      clock,
      newId,
      onChange: keyCache.forget,
      defaults: () => live.current.config.keyDefaults,
      upperBounds: () => live.current.config.keyUpperBounds,
      isReserved: (key) => masterKey.equals(key),
      rotationGraceMs: loaded.environment.keyRotation.graceMs,
    }),
    keyPrincipals: createKeyPrincipals({
      keys: keyCache,
      defaultAccess: () => live.current.config.defaultAccess,
      clock,
    }),
    withoutOwnKeys: createOwnKeyFilter({ keys: keyCache }),
    authenticate: createAuthenticator({
      masterKey,
      keys: keyCache,
      defaultAccess: () => live.current.config.defaultAccess,
      clock,
      jwt: { settings: () => live.current.config.jwt, outbound, clock, log },
    }),
    replaceKeys: (before: LoadedConfig, after: LoadedConfig) =>
      replaceConfigKeys(before.config.virtualKeys, after.config.virtualKeys, { sync, forget: keyCache.forget }),
  }
}

/** Announces keys that are due; only where the environment asks for it, as in LiteLLM. */
function startKeyRotation({
  loaded: {
    environment: { keyRotation },
  },
  database,
  log,
  clock,
  newId,
}: Pick<Foundation, 'loaded' | 'database' | 'log' | 'clock' | 'newId'>) {
  if (!keyRotation.enabled) return undefined
  const store = createPostgresKeyRotationStore(database, newId)
  const worker = createKeyRotationWorker({ store, log, clock, checkEveryMs: keyRotation.checkEveryMs })
  worker.start()
  return worker
}
