/**
 * Which of its keys a gateway seals with is what the database says: a rotation is heard within two seconds, and until then
 * values of either key are opened everywhere.
 */
import type { Clock, Logger } from '@toolgate/core'
import { askStore, changedSince, type Database, followChanges, type StopListening } from '@toolgate/db'
import type { Sealer } from './sealing.ts'
import { readKeys, sealAsListed } from './sealing-check.postgres.ts'

/** The channel on which a rotation is announced; the payload is the id of the key to seal with. */
export const sealingKeyChannel = 'sealing_keys'

/** Of the management events. */
export const sealingKeyType = 'sealing_key'

export interface FollowSealingKeyOptions {
  readonly database: Pick<Database, 'db' | 'listen'>
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Logger
}

/** Follows until stopped. */
export function followSealingKey({ database, sealer, clock, log }: FollowSealingKeyOptions): Promise<StopListening> {
  const read = async () => {
    const listed = await askStore(() => readKeys(database.db))
    if (await sealAsListed(listed, sealer)) return
    log.error(
      {},
      'The encryption key was rotated to one that this gateway does not have. Restart it with the new key, and the former one in TOOLGATE_ENCRYPTION_KEY_PREVIOUS.',
    )
  }
  return followChanges({
    of: 'encryption keys',
    channel: sealingKeyChannel,
    feed: database,
    clock,
    log,
    changedSince: (mark, signal) => askStore(() => changedSince(database.db, sealingKeyType, mark), signal),
    // Where it fails the poll finds the same change a second later.
    heard: () => void read().catch(() => {}),
    found: (changes) => (changes.length === 0 ? undefined : read()),
    lost: read,
  })
}
