import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf } from '../json-fields.ts'

/** The vectors of an embeddings answer, in the order of its input. Rejects with `PROVIDER_PROTOCOL` where one is missing. */
export function readVectors({ data }: JsonObject, count: number): readonly Float32Array[] {
  const vectors: Float32Array[] = []
  for (const [place, item] of listOf(data).filter(isJsonObject).entries()) {
    const index = typeof item['index'] === 'number' ? item['index'] : place
    const vector = toVector(item['embedding'])
    if (vector !== undefined && index < count) vectors[index] = vector
  }
  const complete = Array.from({ length: count }, (_, index) => vectors[index]).filter((vector) => vector !== undefined)
  if (complete.length === count) return complete
  throw new GatewayError('PROVIDER_PROTOCOL', `The model answered with ${complete.length} of ${count} embeddings.`)
}

function toVector(embedding: JsonValue | undefined): Float32Array | undefined {
  if (!Array.isArray(embedding) || !embedding.every((number) => typeof number === 'number')) return undefined
  return Float32Array.from(embedding)
}
