/**
 * A promise only where there is something to wait for. For what every call comes by: each promise and each wait is work of its
 * own, so whoever asks waits only for a promise.
 */
export type MaybePromise<Value> = Value | Promise<Value>
