/** One ring around a call: it may refuse, pass a changed copy on, or look at what comes back. */
export type Layer<Call, Result> = (call: Call, next: (call: Call) => Promise<Result>) => Promise<Result>

/**
 * Wraps `centre` in `layers`. The first layer is the outermost: it sees the call first and the result last.
 * A layer may call `next` at most once; retries belong to the centre, which knows what is safe to repeat.
 */
export function compose<Call, Result>(
  layers: readonly Layer<Call, Result>[],
  centre: (call: Call) => Promise<Result>,
): (call: Call) => Promise<Result> {
  return layers.reduceRight<(call: Call) => Promise<Result>>((next, layer) => (call) => layer(call, next), centre)
}
