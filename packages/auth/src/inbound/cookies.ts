/**
 * The cookies of a request (RFC 6265 §4.2.1). Values stay as sent, quotes and all. A cookie that some parsers take for several is
 * left out: under the name of one that may pass, another one would.
 */
export function cookiesIn(header: string | undefined): [string, string][] {
  if (header === undefined) return []
  return header.split(';').flatMap((pair): [string, string][] => {
    const [name = '', ...rest] = pair.split('=')
    const cookie: [string, string] = [name.trim(), rest.join('=').trim()]
    return rest.length > 0 && isName(cookie[0]) && isOne(cookie[1]) ? [cookie] : []
  })
}

/** A token (RFC 9110 §5.6.2). */
function isName(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text)
}

/**
 * Nothing that anybody reads as a separator has a name and a `=` behind it. A quote at the beginning closes at the end: to those who
 * honour quotes it would reach over a semicolon into the next cookie.
 */
function isOne(value: string): boolean {
  if (value.startsWith('"') && !/^"[^"]*"$/.test(value)) return false
  return !/[\s,\\][^=]*=/.test(value)
}
