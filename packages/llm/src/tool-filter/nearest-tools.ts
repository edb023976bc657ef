/** Places of the vectors nearest to `query`, the nearest first: at most `topK`, each at least as near as `threshold`. */
export function nearest(
  query: Float32Array,
  vectors: readonly Float32Array[],
  { topK, threshold }: { readonly topK: number; readonly threshold: number },
): readonly number[] {
  return vectors
    .map((vector, place) => ({ place, similarity: cosine(query, vector) }))
    .filter(({ similarity }) => similarity >= threshold)
    .toSorted((left, right) => right.similarity - left.similarity)
    .slice(0, topK)
    .map(({ place }) => place)
}

/** 0 where one of them is all zeroes, or they are of different models. */
function cosine(left: Float32Array, right: Float32Array): number {
  if (left.length !== right.length) return 0
  let product = 0
  let leftSquares = 0
  let rightSquares = 0
  for (let index = 0; index < left.length; index += 1) {
    const a = left[index] ?? 0
    const b = right[index] ?? 0
    product += a * b
    leftSquares += a * a
    rightSquares += b * b
  }
  return product === 0 ? 0 : product / Math.sqrt(leftSquares * rightSquares)
}
