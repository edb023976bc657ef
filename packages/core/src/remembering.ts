export interface Memory {
  /** Answers that are kept; one more, and all are forgotten. */
  readonly most: number
  /** Characters. What is longer is asked anew each time: whoever makes it up would choose how much is kept. */
  readonly longest: number
}

/** A pure function of texts that are nearly always the same few, each worked out once. It must not throw for what it is to keep. */
export function remembering<Value extends string | boolean | object>(
  of: (text: string) => Value,
  { most, longest }: Memory,
): (text: string) => Value {
  const known = new Map<string, Value>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const value = of(text)
    if (text.length > longest) return value
    if (known.size >= most) known.clear()
    known.set(text, value)
    return value
  }
}
