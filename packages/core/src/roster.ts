/**
 * What comes and goes with every call and is looked at now and then, in no order. No `Set` or `Map`: with an entry that comes
 * and goes per call they make themselves a new table every few calls, and each table holds on to the next, and to what is in
 * it, until old memory is collected. As long as its caller's bound on what is under way.
 */
export class Roster<Item> {
  readonly #places: Place<Item>[] = []

  get size(): number {
    return this.#places.length
  }

  /** Until the returned function is called, which may be more than once. */
  enter(item: Item): () => void {
    const place = { item, index: this.#places.length }
    this.#places.push(place)
    return () => this.#leave(place)
  }

  /** One that passes the test. */
  find(test: (item: Item) => boolean): Item | undefined {
    return this.#places.find(({ item }) => test(item))?.item
  }

  /** Those of now: whoever comes or goes meanwhile changes nothing in it. */
  values(): readonly Item[] {
    return this.#places.map(({ item }) => item)
  }

  /** The last one takes the place that becomes free. */
  #leave(place: Place<Item>): void {
    if (this.#places[place.index] !== place) return
    const last = this.#places.pop()
    if (last === undefined || last === place) return
    last.index = place.index
    this.#places[place.index] = last
  }
}

interface Place<Item> {
  readonly item: Item
  index: number
}
