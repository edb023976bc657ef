import { createHash } from 'node:crypto'
import type { JsonObject, JsonValue } from '@toolgate/core'
import { listOf } from '../json-fields.ts'

/** Numbers of a vector; enough that different words seldom fall on the same one. */
const dimensions = 256

/** OpenAI's embeddings without a model: each word moves a vector its own way, so texts are as near as the words they share. */
export function mockEmbeddings({ model = null, input, encoding_format: format }: JsonObject): JsonObject {
  const texts = textsOf(input)
  const words = texts.reduce((sum, text) => sum + wordsOf(text).length, 0)
  return {
    object: 'list',
    model,
    data: texts.map((text, index) => ({ object: 'embedding', index, embedding: encode(vectorOf(text), format) })),
    usage: { prompt_tokens: words, total_tokens: words },
  }
}

/** A text, a list of texts, a list of tokens or a list of such lists; tokens are words like others. */
function textsOf(input: JsonValue | undefined): readonly string[] {
  if (typeof input === 'string') return [input]
  const items = listOf(input)
  if (items.every((item) => typeof item === 'number')) return [items.join(' ')]
  return items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const word of wordsOf(text)) {
    const digest = createHash('sha256').update(word).digest()
    const place = digest.readUInt16LE(0) % dimensions
    vector[place] = (vector[place] ?? 0) + 1
  }
  const length = Math.hypot(...vector)
  // Of a text without words there is nothing to say; a vector of zeroes is near nothing.
  return length === 0 ? vector : vector.map((number) => number / length)
}

/** The SDKs ask for base64 (of 32-bit floats, little-endian) and read lists of numbers all the same. */
function encode(vector: Float32Array, format: JsonValue | undefined): JsonValue {
  if (format !== 'base64') return [...vector]
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}
