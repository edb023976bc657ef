/** Another key in the place of one: `/key/regenerate` for administrators, `/key/rotate` for the holder of a due key. */
import { GatewayError, Secret } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { type KeyChangeRequest, regenerateKeySchema } from './change-request.ts'
import { changedSettings } from './changed-settings.ts'
import { refuseConfiguredKey } from './configured-key.ts'
import { refuseAboveBounds } from './key-bounds.ts'
import { parseKeyBody } from './key-fields.ts'
import { displayKey, hashKey, keyHashOf } from './key-format.ts'
import { type GeneratedKey, generatedKey } from './key-response.ts'
import { instantAfter, rotationSettings } from './key-settings.ts'
import { warningsFor } from './key-warnings.ts'
import { unknownKey } from './unknown-key.ts'
import type { KeyContext, VirtualKeys } from './virtual-keys.ts'
import { checkWantedKey } from './wanted-key.ts'

export function keyRegeneration(context: KeyContext): Pick<VirtualKeys, 'regenerate' | 'rotate'> {
  const { clock, upperBounds, makeKey, rotationGraceMs } = context
  return {
    async regenerate(body, actor) {
      const { request, ignored } = parseKeyBody(regenerateKeySchema, body)
      const { key, new_key, new_master_key, grace_period, ...changes } = request
      if (new_master_key != null) {
        throw invalid('new_master_key', 'the master key is set by LITELLM_MASTER_KEY or the configuration.')
      }
      if (key == null) throw invalid('key', 'name the key to regenerate.')
      if (new_key != null) checkWantedKey(new_key, 'new_key', context)
      refuseAboveBounds(changes, upperBounds(), clock)
      return put(key, context, {
        key: new_key == null ? makeKey() : new Secret(new_key),
        graceUntil: graceEnd(grace_period, context),
        action: 'key.regenerate',
        actor,
        changes,
        warnings: warningsFor(changes, ignored, context),
      })
    },

    rotate: (hash, actor) =>
      put(hash, context, {
        key: makeKey(),
        graceUntil: new Date(clock.now() + rotationGraceMs),
        action: 'key.rotate',
        actor,
        changes: {},
        warnings: [],
        check(row) {
          refuseFormer(row, hash)
          refuseBeforeDue(row, clock.now())
        },
      }),
  }
}

interface Replacement {
  readonly key: Secret
  readonly graceUntil: Date | undefined
  readonly action: string
  readonly actor: string
  readonly changes: KeyChangeRequest
  readonly warnings: readonly string[]
  readonly check?: (row: VirtualKeyRow) => void
}

async function put(reference: string, context: KeyContext, replacement: Replacement): Promise<GeneratedKey> {
  const { store, clock, onChange } = context
  const { key, graceUntil, action, actor, changes, warnings, check } = replacement
  const now = new Date(clock.now())
  const written = await store.regenerate(
    { hash: keyHashOf(reference), now },
    {
      key: { hash: hashKey(key), keyName: displayKey(key) },
      graceUntil,
      action,
      actor,
      now,
      change(row) {
        check?.(row)
        refuseConfiguredKey(row)
        const patch = changedSettings(changes, row, context)
        return { ...nextRotation(row, context), ...patch, rotationCount: row.rotationCount + 1, lastRotationAt: now }
      },
    },
  )
  if (written === undefined) throw unknownKey(reference)
  for (const hash of written.hashes) onChange(hash)
  return generatedKey({ key, row: written.row, request: changes, warnings })
}

/** The interval counts from this key on. */
function nextRotation({ autoRotate, rotationInterval }: VirtualKeyRow, { clock }: KeyContext) {
  return autoRotate ? rotationSettings(autoRotate, rotationInterval, clock) : {}
}

function graceEnd(period: string | null | undefined, { clock }: KeyContext): Date | undefined {
  if (period == null || period === '') return undefined
  const end = instantAfter(period, 'grace_period', clock)
  if (end === null) throw invalid('grace_period', 'a former key must end; write a duration, for example 48h.')
  return end
}

/** A former key in its time of grace means the row as well; it must not make itself a successor time and again. */
function refuseFormer(row: VirtualKeyRow, presented: string): void {
  if (row.hash !== presented) throw new GatewayError('CONFLICT', 'This key was replaced; use its successor.')
}

function refuseBeforeDue({ autoRotate, keyRotationAt }: VirtualKeyRow, now: number): void {
  if (!autoRotate || keyRotationAt === null) {
    throw new GatewayError('CONFLICT', 'This key has no auto_rotate. An administrator can regenerate it.')
  }
  if (keyRotationAt.getTime() <= now) return
  throw new GatewayError('CONFLICT', `This key is not due for rotation before ${keyRotationAt.toISOString()}.`)
}

function invalid(field: string, reason: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `${field}: ${reason}`, { details: { field } })
}
