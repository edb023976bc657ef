import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { mergeDelta } from './merge-delta.ts'

/** One answer put together from the chunks of its stream. Only the first choice: a request with tools has no other. */
export interface ChatAssembly {
  /** The calls that this chunk begins or continues. */
  add(chunk: JsonObject): readonly AssembledCall[]
  /** What the provider would have answered without streaming. */
  response(): JsonObject
}

/** A call as far as it has come. */
export interface AssembledCall {
  readonly position: number
  readonly raw: JsonObject
  readonly name: string
  /** What the last chunk added. */
  readonly delta: JsonObject
  /** Its id from now on, in place of the provider's. */
  rename(id: string): void
}

interface GrowingCall {
  raw: JsonObject
  id: string | undefined
}

export function assembleChat(): ChatAssembly {
  let head: JsonObject = {}
  let choice: JsonObject = {}
  let message: JsonObject = {}
  const calls: GrowingCall[] = []
  /** The call that the pieces with an index belong to; some providers give every call the same one. */
  const latest = new Map<number, GrowingCall>()

  const callFor = (delta: JsonObject): GrowingCall => {
    const { index, id } = delta
    const known =
      typeof index === 'number' ? latest.get(index) : isId(id) ? calls.find((call) => sameId(call, id)) : calls.at(-1)
    if (known !== undefined && !(nameOf(delta) !== '' && isAnother(known, delta))) return known
    const call: GrowingCall = { raw: {}, id: undefined }
    calls.push(call)
    if (typeof index === 'number') latest.set(index, call)
    return call
  }
  const addCall = (delta: JsonObject): AssembledCall => {
    const call = callFor(delta)
    const piece = withoutRepeatedName(delta, nameOf(call.raw))
    call.raw = mergeDelta(call.raw, piece)
    return {
      position: calls.indexOf(call),
      raw: call.raw,
      name: nameOf(call.raw),
      delta: piece,
      rename: (id) => void (call.id = id),
    }
  }

  return {
    add(chunk) {
      const { choices, ...rest } = chunk
      head = { ...head, ...rest }
      const first = listOf(choices).find((one) => isJsonObject(one) && (one['index'] ?? 0) === 0)
      if (!isJsonObject(first)) return []
      const { delta, ...ofChoice } = first
      choice = mergeDelta(choice, ofChoice)
      if (!isJsonObject(delta)) return []
      const { tool_calls: deltas, ...fields } = delta
      message = mergeDelta(message, fields)
      return listOf(deltas).filter(isJsonObject).map(addCall)
    },
    response() {
      const called = calls.map(({ raw, id }) => (id === undefined ? raw : { ...raw, id }))
      const said = { role: 'assistant', content: null, ...message, ...(called.length > 0 && { tool_calls: called }) }
      return { ...head, object: 'chat.completion', choices: [{ index: 0, ...choice, message: said }] }
    },
  }
}

/** Some providers say the whole name again in every piece. */
function withoutRepeatedName({ index: _index, ...delta }: JsonObject, known: string): JsonObject {
  if (known === '' || !isJsonObject(delta['function']) || delta['function']['name'] !== known) return delta
  const { name: _name, ...called } = delta['function']
  return { ...delta, function: called }
}

/** A piece with a name begins another call where its id is another or, without one, where the call before it has its arguments. */
function isAnother(known: GrowingCall, delta: JsonObject): boolean {
  const { id } = delta
  if (isId(id)) return !sameId(known, id)
  const before = argumentsOf(known.raw)
  if (before === '') return false
  return nameOf(delta) !== nameOf(known.raw) || (isBegun(argumentsOf(delta)) && isWhole(before))
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && id !== ''
}

function argumentsOf(raw: JsonObject): JsonValue {
  const called = isJsonObject(raw['function']) ? raw['function']['arguments'] : undefined
  return called ?? ''
}

/** Some providers write arguments as an object and not as its text. */
function isWhole(written: JsonValue): boolean {
  if (typeof written !== 'string') return true
  return written.trimEnd().endsWith('}') && parseJsonObject(written) !== undefined
}

function isBegun(written: JsonValue): boolean {
  return typeof written !== 'string' || written.trimStart().startsWith('{')
}

function sameId(call: GrowingCall, id: unknown): boolean {
  return call.raw['id'] === id
}

function nameOf(raw: JsonObject): string {
  const called = isJsonObject(raw['function']) ? raw['function'] : raw['custom']
  return isJsonObject(called) ? textOf(called['name']) : ''
}
