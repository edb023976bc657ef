/** So many at a time: for each name of a kind, and in all. Bounded by the most that may be there. */
export type TakePlace = (names: { readonly asker: string; readonly host: string }) => (() => void) | undefined

export interface PlacesOptions {
  readonly asker: number
  readonly host: number
  readonly all: number
}

/** The answer is undefined where there is no place, else what gives it back. */
export function createPlaces(most: PlacesOptions): TakePlace {
  const taken = new Map<string, number>()
  const at = (key: string) => taken.get(key) ?? 0
  const change = (key: string, by: 1 | -1) => {
    const number = at(key) + by
    if (number === 0) taken.delete(key)
    else taken.set(key, number)
  }

  return ({ asker, host }) => {
    const keys = { asker: `asker ${asker}`, host: `host ${host}`, all: 'all' }
    const isFull = at(keys.asker) >= most.asker || at(keys.host) >= most.host || at(keys.all) >= most.all
    if (isFull) return undefined
    for (const key of Object.values(keys)) change(key, 1)
    return () => {
      for (const key of Object.values(keys)) change(key, -1)
    }
  }
}
