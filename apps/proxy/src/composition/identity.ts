import {
  carries,
  createAccessTokens,
  createAuthenticator,
  createAuthorizationServer,
  createConsenters,
  createKeyAdmission,
  createPendingRequests,
  createPostgresGrantStore,
  createKeyCache,
  createKeyPrincipals,
  createKeyRotationWorker,
  createOwnKeyFilter,
  createPeople,
  createPersonSignIn,
  createPostgresKeyRotationStore,
  createPostgresKeyStore,
  createStoreContact,
  createVirtualKeys,
  type HeaderNames,
  type KeyAdmission,
  looksLikeOwnKey,
  type StoreContact,
  upsertConfigKeys,
} from '@toolgate/auth'
import type { LoadedConfig } from '../config/load.ts'
import type { VirtualKeyEntry } from '../config/virtual-keys.ts'
import type { Foundation } from '../foundation.ts'
import { replaceConfigKeys } from '../reload/config-keys.ts'

/** Who calls: keys of the file into the store, the cache in front of it, and the ways to prove an identity. */
export async function composeIdentity(foundation: Foundation) {
  const { loaded, live, masterKey, database, log, clock, newId, outbound, guardedOutbound, sealer } = foundation
  const defaultAccess = () => live.current.config.defaultAccess
  const store = createPostgresKeyStore(database, newId)
  const sync = (keys: readonly VirtualKeyEntry[]) => upsertConfigKeys(keys, { store, log, clock, newId })
  await sync(loaded.config.virtualKeys)
  const contact = createStoreContact({ clock, log })
  const keyCache = createKeyCache({ store, feed: database, log, clock, contact })
  await keyCache.start()
  const admission = createKeyAdmission({ keys: keyCache, defaultAccess, clock })
  const { accessTokens, consenters, authorizationServer } = await composeSignIns(foundation, { admission, contact })
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
      await accessTokens.close()
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
      defaultAccess,
      clock,
    }),
    withoutOwnKeys: createOwnKeyFilter({
      keys: {
        find: async (hash, signal) => (await keyCache.find(hash, signal)) ?? (await accessTokens.find(hash, signal)),
      },
    }),
    // The master key may be any text.
    holdsOwnKey: (text: string) => looksLikeOwnKey(text) || carries(text, masterKey),
    authenticate: createAuthenticator({
      masterKey,
      keys: admission,
      defaultAccess,
      issued: { tokens: accessTokens, consenters },
      jwt: { settings: () => live.current.config.jwt, outbound, guardedOutbound, clock, log },
    }),
    authorizationServer,
    connecting: composeConnecting({ sealer, clock }),
    replaceKeys: (before: LoadedConfig, after: LoadedConfig) =>
      replaceConfigKeys(before.config.virtualKeys, after.config.virtualKeys, { sync, forget: keyCache.forget }),
  }
}

/** What MCP clients are let in with, and whoever can let one in: holders of keys, and people of the company. */
async function composeSignIns(
  foundation: Foundation,
  { admission: keys, contact }: { readonly admission: KeyAdmission; readonly contact: StoreContact },
) {
  const { live, database, outbound, guardedOutbound, clock, newId, log } = foundation
  const grants = createPostgresGrantStore({ database, newId })
  const accessTokens = createAccessTokens({ store: grants, feed: database, clock, log, contact })
  await accessTokens.start()
  const settings = () => live.current.config.personSignIn
  const people = createPeople({ settings, defaultAccess: () => live.current.config.defaultAccess })
  const consenters = createConsenters({ keys, people })
  const signIn = createPersonSignIn({ settings, people, outbound, guardedOutbound, clock })
  return {
    accessTokens,
    consenters,
    authorizationServer: createAuthorizationServer({
      ...foundation,
      grants,
      accessTokens,
      keys,
      consenters,
      people: signIn,
    }),
  }
}

/** What is under way of users that connect accounts at servers. */
function composeConnecting({ sealer, clock }: Pick<Foundation, 'sealer' | 'clock'>) {
  return {
    pages: createPendingRequests({ sealer, clock, purpose: 'connect' }),
    legs: createPendingRequests({ sealer, clock, purpose: 'callback' }),
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
