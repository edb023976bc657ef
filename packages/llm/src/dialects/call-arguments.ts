import { isJsonObject, type JsonValue } from '@toolgate/core'
import type { CallArguments } from './dialect.ts'

const quotedCharacters = 200

/** Arguments as providers really send them: JSON text, an object, JSON text of JSON text, nothing at all. */
export function parseArguments(sent: JsonValue | undefined): CallArguments {
  if (sent === undefined || sent === null) return { ok: true, value: {} }
  if (isJsonObject(sent)) return { ok: true, value: sent }
  if (typeof sent !== 'string') return { ok: false, problem: 'The arguments are not a JSON object.' }
  if (sent.trim() === '') return { ok: true, value: {} }
  const once = parseJson(sent)
  const value = typeof once === 'string' ? parseJson(once) : once
  if (isJsonObject(value)) return { ok: true, value }
  return { ok: false, problem: `The arguments are not a JSON object: ${sent.slice(0, quotedCharacters)}` }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A model wrote it: the problem is reported back to the model, not thrown.
    return undefined
  }
}
