import type { KeyChangeRequest } from './change-request.ts'
import { notEnforcedWarnings } from './not-enforced.ts'
import type { KeyContext } from './virtual-keys.ts'

const ownRotation =
  'auto_rotate does not replace the key by itself: from key_rotation_at on its holder fetches the next one with POST /key/rotate, or an administrator regenerates it'

/** What the author of a request must hear about it, also said in the log. */
export function warningsFor(
  request: KeyChangeRequest,
  ignored: readonly string[],
  { log }: Pick<KeyContext, 'log'>,
): readonly string[] {
  const warnings = [
    ...notEnforcedWarnings(request),
    ...ignored.map((field) => `${field} is not known here: nothing acts on it`),
    ...(request.auto_rotate === true ? [ownRotation] : []),
  ]
  if (warnings.length > 0) log.warn({ warnings }, 'A key was written with settings that this version does not enforce.')
  return warnings
}
