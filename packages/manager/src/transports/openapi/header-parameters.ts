/**
 * Headers that a document may ask callers for. What authenticates, frames or routes the request is not a parameter: a tool's
 * arguments come from a model.
 */
const reserved = new Set(
  `authorization cookie x-api-key accept accept-encoding content-type content-length content-encoding host expect
  connection keep-alive proxy-connection te trailer transfer-encoding upgrade forwarded via x-real-ip
  x-http-method-override x-http-method x-method-override x-original-url x-rewrite-url`.split(/\s+/),
)
const reservedPrefixes = ['proxy-', 'x-forwarded-', 'x-mcp-', 'x-litellm-', 'sec-', 'mcp-']

/** Whether a header of this name may be filled by an argument. */
export function mayBeParameter(name: string): boolean {
  const lower = name.toLowerCase()
  return isHeaderName(lower) && !reserved.has(lower) && !reservedPrefixes.some((prefix) => lower.startsWith(prefix))
}

/** A token of RFC 9110 §5.6.2, in lower case. */
export function isHeaderName(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(text)
}

/** What fits into a header's value: no control character, and nothing beyond Latin-1. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
