/** Making keys: `/key/generate` and `/key/service-account/generate`. */
import { Secret } from '@toolgate/core'
import { type GenerateKeyRequest, parseGenerateKey } from './generate-request.ts'
import { invalidRequest } from './invalid-request.ts'
import { type KeyDefaults, refuseAboveBounds, withDefaults } from './key-bounds.ts'
import { displayKey, hashKey } from './key-format.ts'
import { type GeneratedKey, generatedKey } from './key-response.ts'
import { keySettings } from './key-settings.ts'
import { warningsFor } from './key-warnings.ts'
import type { KeyContext, VirtualKeys } from './virtual-keys.ts'
import { checkWantedKey } from './wanted-key.ts'

export function keyMaking(context: KeyContext): Pick<VirtualKeys, 'generate' | 'generateForService'> {
  const { defaults, upperBounds } = context
  return {
    generate: async (body, actor) =>
      make(parseGenerateKey(withDefaults(body, defaults(), upperBounds())), actor, context),
    generateForService: async (body, actor) => {
      const parsed = parseGenerateKey(withDefaults(body, withoutUser(defaults()), upperBounds()))
      requireTeamAlone(parsed.request)
      return make(parsed, actor, context)
    },
  }
}

type Parsed = ReturnType<typeof parseGenerateKey>

async function make({ request, ignored }: Parsed, actor: string, context: KeyContext): Promise<GeneratedKey> {
  const { store, clock, makeKey, onChange } = context
  const warnings = warningsFor(request, ignored, context)
  refuseAboveBounds(request, context.upperBounds(), clock)
  if (request.key != null) checkWantedKey(request.key, 'key', context)
  const key = request.key == null ? makeKey() : new Secret(request.key)
  const row = await store.insert(
    {
      ...keySettings(request, context),
      hash: hashKey(key),
      keyName: displayKey(key),
      origin: 'api',
      blocked: request.blocked ?? false,
      spend: request.spend ?? 0,
      createdBy: actor,
      updatedBy: actor,
    },
    actor,
  )
  onChange(row.hash)
  return generatedKey({ key, row, request, warnings })
}

function withoutUser({ user_id: _nobody, ...defaults }: KeyDefaults): KeyDefaults {
  return defaults
}

function requireTeamAlone({ team_id: team, user_id: user }: GenerateKeyRequest): void {
  if (team == null) {
    throw invalidRequest([{ path: ['team_id'], message: 'A key of a service account needs a team.', code: 'missing' }])
  }
  if (user != null) {
    const message = 'A key of a service account has no user; /key/generate makes the keys of users.'
    throw invalidRequest([{ path: ['user_id'], message, code: 'extra_forbidden' }])
  }
}
