/**
 * Text in the headers of modern requests (spec 2026-07-28, Streamable HTTP, Value Encoding): plain where a header can
 * carry it unharmed, else its UTF-8 in base64 between two marks.
 */
const prefix = '=?base64?'
const suffix = '?='

/** What every hop passes on as it is. */
const plain = /^[\t\x20-\x7e]+$/
const canonicalBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function encodeHeaderValue(text: string): string {
  const marked = text.startsWith(prefix) && text.endsWith(suffix)
  if (plain.test(text) && text === text.trim() && !marked) return text
  return `${prefix}${Buffer.from(text, 'utf8').toString('base64')}${suffix}`
}

/** Undefined where what stands between the marks is no base64 of UTF-8. */
export function decodeHeaderValue(value: string): string | undefined {
  const text = value.trim()
  if (!text.startsWith(prefix) || !text.endsWith(suffix)) return text
  const encoded = text.slice(prefix.length, -suffix.length)
  if (!canonicalBase64.test(encoded)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'))
  } catch {
    // Bytes that are no UTF-8.
    return undefined
  }
}
