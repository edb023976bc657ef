/**
 * Virtual keys in Postgres or PGlite: which transaction each question is. The questions themselves are in the files named
 * for them.
 */
import { type NewId, randomId } from '@toolgate/core'
import { askStore, writeStore, type Database } from '@toolgate/db'
import { syncConfigKeys } from './config-keys.postgres.ts'
import { listAliases, listDeletedKeys, listKeys } from './key-list.postgres.ts'
import { findKey, findKeys, keyChangesSince, lastActive } from './key-reads.postgres.ts'
import { regenerateKey } from './key-regeneration.postgres.ts'
import { removeKeys } from './key-removal.postgres.ts'
import type { KeyStore } from './key-store.ts'
import { insertKey, updateKey } from './key-writes.postgres.ts'

export function createPostgresKeyStore({ db }: Database, newId: NewId = randomId): KeyStore {
  return {
    find: (hash, signal) => askStore(() => findKey(db, hash), signal),
    findAll: (hashes, now) => askStore(() => findKeys(db, hashes, now)),
    lastActive: (hash) => askStore(() => lastActive(db, hash)),
    list: (filter) => askStore(() => listKeys(db, filter)),
    listDeleted: (filter) => askStore(() => listDeletedKeys(db, filter)),
    listAliases: (filter) => askStore(() => listAliases(db, filter)),
    insert: (key, actor) => writeStore(db, (within) => insertKey(within, key, { actor, newId })),
    remove: (references, actor) => writeStore(db, (within) => removeKeys(within, references, { actor, newId })),
    update: (reference, update) => writeStore(db, (within) => updateKey(within, reference, { ...update, newId })),
    regenerate: (reference, regeneration) =>
      writeStore(db, (within) => regenerateKey(within, reference, { ...regeneration, newId })),
    syncConfig: (keys) => writeStore(db, (within) => syncConfigKeys(within, keys, newId)),
    changedSince: (mark, signal) => askStore(() => keyChangesSince(db, mark), signal),
  }
}
