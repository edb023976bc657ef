/** What the models and tools of one request cost together, as far as their prices are known. */
export interface Spending {
  /** Dollars so far. */
  readonly total: number
  add(dollars: number): void
}

export function createSpending(): Spending {
  let total = 0
  return {
    get total() {
      return total
    },
    add(dollars) {
      total += dollars
    },
  }
}

/** Writes what a call costs by now into its trace, and what is new of it into the account of its request. */
export function spend(
  {
    caller,
    trace,
  }: { readonly caller: { readonly spending?: Spending | undefined }; readonly trace: { spend?: number | undefined } },
  dollars: number | undefined,
): void {
  if (dollars === undefined) return
  caller.spending?.add(dollars - (trace.spend ?? 0))
  trace.spend = dollars
}
