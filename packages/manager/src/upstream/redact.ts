import type { Secret } from '@toolgate/core'

/** Shorter values are too common in any text, and no secrets. */
const minRedactedLength = 6

/**
 * A text that an upstream wrote, without the secrets that it was given: servers echo credentials in error pages and on
 * stderr. The part after a scheme (`Bearer …`) counts as a secret of its own.
 */
export function withoutSecrets(text: string, secrets: Iterable<Secret>): string {
  const values = [...secrets].map((secret) => secret.reveal())
  const parts = values.flatMap((value) => [value, value.slice(value.indexOf(' ') + 1)])
  return parts
    .filter(({ length }) => length >= minRedactedLength)
    .reduce((cleaned, value) => cleaned.replaceAll(value, '[redacted]'), text)
}
