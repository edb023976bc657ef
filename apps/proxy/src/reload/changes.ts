/** What a reload changed, by name. Pure. */

export interface NameChanges {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** Compares two sets of named things by what stands for their content; the texts are compared and never kept. */
export function compareByName(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): NameChanges {
  const names = [...after.keys()]
  return {
    added: names.filter((name) => !before.has(name)),
    changed: names.filter((name) => before.has(name) && before.get(name) !== after.get(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
  }
}
