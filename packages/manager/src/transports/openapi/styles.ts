import { isJsonObject, type JsonValue } from '@toolgate/core'
import type { Parameter } from './parameters.ts'

/** Levels of objects in objects that `deepObject` writes. */
const maxDeepLevels = 8

type Encode = (text: string) => string
type Written = Pick<Parameter, 'name' | 'style' | 'explode' | 'allowReserved' | 'isJson'>

/** A value in a path (OpenAPI 3.1, Style Values): every character that could end its segment is encoded. */
export function inPath({ name, style, explode, isJson }: Written, value: JsonValue): string {
  if (isJson) return encodeURIComponent(JSON.stringify(value))
  if (style === 'label')
    return `.${joined(value, { explode, separator: explode ? '.' : ',', encode: encodeURIComponent })}`
  if (style !== 'matrix') return joined(value, { explode, separator: ',', encode: encodeURIComponent })
  const key = encodeURIComponent(name)
  if (!explode || !isList(value))
    return `;${key}=${joined(value, { explode, separator: ',', encode: encodeURIComponent })}`
  return pairsOf({ key, value, encode: encodeURIComponent })
    .map((pair) => `;${pair}`)
    .join('')
}

/** As `name=value` pairs, encoded. */
export function inQuery(parameter: Written, value: JsonValue): readonly string[] {
  const { name, style, explode, allowReserved, isJson } = parameter
  const encode = allowReserved ? encodeUnreserved : encodeURIComponent
  const key = encodeURIComponent(name)
  if (isJson) return [`${key}=${encodeURIComponent(JSON.stringify(value))}`]
  if (style === 'deepObject') return deepPairs(key, value, maxDeepLevels)
  if (explode && isList(value)) return pairsOf({ key, value, encode })
  const separator = separators.get(style) ?? ','
  const text = joined(value, { explode: false, separator, encode })
  return Array.isArray(value) && value.length === 0 ? [] : [`${key}=${text}`]
}

/** In plain characters: whoever sends it checks that a header can carry them. */
export function inHeader({ explode, isJson }: Written, value: JsonValue): string {
  return isJson ? JSON.stringify(value) : joined(value, { explode, separator: ',', encode: (text) => text })
}

/** As `name=value` pairs, encoded. */
export function inCookie({ name, explode, isJson }: Written, value: JsonValue): readonly string[] {
  const key = encodeURIComponent(name)
  if (isJson) return [`${key}=${encodeURIComponent(JSON.stringify(value))}`]
  if (explode && isList(value)) return pairsOf({ key, value, encode: encodeURIComponent })
  return [`${key}=${joined(value, { explode: false, separator: ',', encode: encodeURIComponent })}`]
}

/** A single value as text; an object or list within a list has no style of its own. */
export function plainText(value: JsonValue): string {
  if (typeof value === 'string') return value
  return value === null ? '' : JSON.stringify(value)
}

const separators = new Map([
  ['spaceDelimited', '%20'],
  ['pipeDelimited', '%7C'],
])

function isList(value: JsonValue): boolean {
  return Array.isArray(value) || isJsonObject(value)
}

function joined(
  value: JsonValue,
  { explode, separator, encode }: { explode: boolean; separator: string; encode: Encode },
): string {
  if (Array.isArray(value)) return value.map((item) => encode(plainText(item))).join(separator)
  if (!isJsonObject(value)) return encode(plainText(value))
  const between = explode ? '=' : separator
  return Object.entries(value)
    .map(([key, item]) => `${encode(key)}${between}${encode(plainText(item))}`)
    .join(separator)
}

function pairsOf({ key, value, encode }: { key: string; value: JsonValue; encode: Encode }): readonly string[] {
  if (Array.isArray(value)) return value.map((item) => `${key}=${encode(plainText(item))}`)
  if (!isJsonObject(value)) return [`${key}=${encode(plainText(value))}`]
  return Object.entries(value).map(([name, item]) => `${encodeURIComponent(name)}=${encode(plainText(item))}`)
}

function deepPairs(key: string, value: JsonValue, levels: number): readonly string[] {
  if (Array.isArray(value)) return value.map((item) => `${key}=${encodeURIComponent(plainText(item))}`)
  if (!isJsonObject(value) || levels === 0) return [`${key}=${encodeURIComponent(plainText(value))}`]
  return Object.entries(value).flatMap(([name, item]) =>
    deepPairs(`${key}[${encodeURIComponent(name)}]`, item, levels - 1),
  )
}

/** RFC 3986 §2.2 without what would end the value or begin another one: `#`, `&`, `=` and `+` stay encoded. */
function encodeUnreserved(text: string): string {
  return encodeURIComponent(text).replaceAll(/%(?:3A|2F|3F|5B|5D|40|21|24|27|28|29|2A|2C|3B)/g, decodeURIComponent)
}
