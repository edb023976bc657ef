/** One ring around a call: it may refuse, pass a changed copy on, or look at what comes back. */
export type Layer<Call, Result> = (call: Call, next: (call: Call) => Promise<Result>) => Promise<Result>

/**
 * The same for calls of which each has a centre of its own: composed once, for all of them. The first layer is the outermost.
 */
export function composeAround<Call, Result>(
  layers: readonly Layer<Call, Result>[],
): (call: Call, centre: (call: Call) => Promise<Result>) => Promise<Result> {
  type Around = (call: Call, centre: (call: Call) => Promise<Result>) => Promise<Result>
  return layers.reduceRight<Around>(
    (inner, layer) => (call, centre) => layer(call, (passed) => inner(passed, centre)),
    (call, centre) => centre(call),
  )
}

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
