import { isJsonObject, type JsonObject, type Secret } from '@toolgate/core'

/** Shorter values are too common in any text, and no secrets. */
const minRedactedLength = 6

/**
 * A text that an upstream wrote, without the secrets that it was given: servers echo credentials in error pages and on
 * stderr. The part after a scheme (`Bearer …`) counts as a secret of its own, and so does what HTTP Basic has encoded.
 */
export function withoutSecrets(text: string, secrets: Iterable<Secret>): string {
  const values = [...secrets].map((secret) => secret.reveal())
  const parts = values.flatMap((value) => [value, ...afterScheme(value)]).flatMap(asWritten)
  return parts
    .filter(({ length }) => length >= minRedactedLength)
    .reduce((cleaned, value) => cleaned.replaceAll(value, '[redacted]'), text)
}

function afterScheme(value: string): readonly string[] {
  const [scheme = '', ...rest] = value.split(' ')
  if (rest.length === 0) return []
  const credential = rest.join(' ')
  if (scheme.toLowerCase() !== 'basic') return [credential]
  const pair = Buffer.from(credential, 'base64').toString('utf8')
  return [credential, pair, pair.slice(pair.indexOf(':') + 1)]
}

/** Plain, and as it stands inside a JSON string. */
function asWritten(value: string): readonly string[] {
  const escaped = JSON.stringify(value).slice(1, -1)
  return escaped === value ? [value] : [escaped, value]
}

/** The same for a JSON object. A credential may stand in its keys as well. */
export function objectWithoutSecrets(value: JsonObject, secrets: Iterable<Secret>): JsonObject {
  const text = JSON.stringify(value)
  const cleaned = withoutSecrets(text, secrets)
  const parsed: unknown = cleaned === text ? value : JSON.parse(cleaned)
  return isJsonObject(parsed) ? parsed : {}
}
