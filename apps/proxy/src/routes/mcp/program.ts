import { type Caller, isJsonObject } from '@toolgate/core'

/** Characters of what a client calls itself. */
const longest = 200

/** A library that speaks HTTP for many programs says nothing of the one that it speaks for. */
const libraries =
  /^(?:node|node-fetch|undici|axios|got|deno|bun|python-(?:httpx|requests|urllib)|python|httpx|aiohttp|go-http-client|okhttp|java(?:-http-client)?|apache-httpclient|reqwest|dart|guzzlehttp)\b/i

/** Nobody is called so; it is not even looked at. */
const longestSaid = 4_096

/** Whether a text holds what is, or could be, a key or a token of this gateway. */
export type HoldsOwnKey = (text: string) => boolean

/** `name/version` of MCP's `clientInfo`: one line, bounded. Undefined where it says nothing, or holds what may be a key of the gateway. */
export function programIn(clientInfo: unknown, holdsOwnKey: HoldsOwnKey): string | undefined {
  if (!isJsonObject(clientInfo)) return undefined
  const { name, version } = clientInfo
  if (typeof name !== 'string') return undefined
  const said = typeof version === 'string' ? [name, version] : [name]
  // Before anything is cut: a part of a key is nobody's business either.
  if (said.join('').length > longestSaid || said.some(holdsOwnKey)) return undefined
  const [called, ...more] = said.map(oneLine)
  if (called === undefined || called === '') return undefined
  return [called, ...more.filter((part) => part !== '')].join('/').slice(0, longest).toWellFormed()
}

/** For the ledger, where the request itself does not say which program it is from. */
export function withProgram(caller: Caller, program: string | undefined): Caller {
  const { client } = caller.request
  if (program === undefined || (client !== undefined && !libraries.test(client))) return caller
  return { ...caller, request: { ...caller.request, client: program } }
}

/** Control characters, and what reorders a line or hides in it, become blanks. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
}
