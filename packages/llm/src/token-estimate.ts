import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/** About how many tokens something is, where nobody counts them. */

const charactersPerToken = 4

/** What a picture or a file counts as, however many bytes it has: about a thousand tokens. */
const charactersOfFile = 4_000

/** What stands around a string, a field or an item. */
const charactersAround = 2

/** Tokens of a request, in any dialect. */
export function estimateTokens(body: JsonObject): number {
  const { system, systemInstruction, system_instruction, instructions, messages, contents, input, prompt, tools } =
    countedRequest(body)
  const said = [
    system ?? systemInstruction ?? system_instruction ?? instructions ?? '',
    messages ?? contents ?? input ?? prompt ?? [],
    tools ?? [],
  ]
  return tokensOf(charactersIn(said))
}

/** Google's requests to count may hold a whole request to answer. */
function countedRequest(body: JsonObject): JsonObject {
  const request = body['generateContentRequest'] ?? body['generate_content_request']
  return isJsonObject(request) ? request : body
}

/** About how many tokens a text of so many characters is. */
export function tokensOf(characters: number): number {
  return Math.ceil(characters / charactersPerToken)
}

/** As many as are written, about; values may be nested as deeply as they like. */
function charactersIn(value: JsonValue): number {
  let characters = 0
  const left = [value]
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    characters += charactersAround
    if (typeof each === 'string') characters += isFile(each) ? charactersOfFile : each.length
    else if (Array.isArray(each)) for (const item of each) left.push(item)
    else if (isJsonObject(each)) {
      for (const [name, field] of Object.entries(each)) {
        characters += name.length + charactersAround
        left.push(field)
      }
    } else characters += String(each).length
  }
  return characters
}

const address = /^data:[\w/+.-]{0,100}(?:;[\w=.-]{1,100}){0,5};base64,/

/** Characters from which on base64 is no word any more. */
const shortestFile = 4_000

/** A line of MIME (RFC 2045, 6.8) and its end, as tools write base64. */
const wholeLine = /^[A-Za-z0-9+/_=-]{76}\r?\n/gm

/**
 * Base64 in a `data:` address; or as it is, in one line or in those of MIME: lists of ids, hashes and paths are made of the same letters,
 * in lines of other lengths.
 */
function isFile(text: string): boolean {
  const [before] = address.exec(text) ?? []
  // Classes that are looked for, not runs that are matched: an engine's stack holds some five million characters of a run.
  if (before !== undefined) return !/[^A-Za-z0-9+/_=\r\n-]/.test(text.slice(before.length))
  if (text.length < shortestFile) return false
  return !/[^A-Za-z0-9+/_=-]/.test(text.replaceAll(wholeLine, '').replace(/\r?\n$/, ''))
}
