import { LRUCache } from 'lru-cache'
import type { ListedItem } from '@toolgate/manager'

/** `{"tools": […], …}` in UTF-8; `rest` is what stands beside the tools, and is not empty. */
export type EncodeList = (items: readonly ListedItem[], rest: object) => Uint8Array<ArrayBuffer>

/** Of one shape: a dozen lists of ten thousand tools. */
const maxBytes = 64 * 2 ** 20

interface Encoded {
  readonly whole: Uint8Array<ArrayBuffer>
  /** The part of it that is the array. */
  readonly array: Uint8Array
  /** The text after that. */
  readonly end: string
}

const head = Buffer.from('{"tools":')

/**
 * Lists as JSON in one shape. The gateway answers the same array while nothing changed, and to write ten thousand tools takes
 * longer than all the rest of a list: so each array is written once. What stands beside it tells of the moment, and is
 * written each time. Bounded in bytes; what was not asked for longest goes first.
 */
export function encodingLists(shape: (item: ListedItem) => object, bound = { maxBytes }): EncodeList {
  const kept = new LRUCache<readonly ListedItem[], Encoded>({
    maxSize: bound.maxBytes,
    sizeCalculation: ({ whole }) => whole.byteLength,
  })
  return (items, rest) => {
    const known = kept.get(items)
    const end = `,${JSON.stringify(rest).slice(1)}`
    if (known?.end === end) return known.whole
    const encoded = joined(known?.array ?? Buffer.from(JSON.stringify(items.map(shape))), end)
    kept.set(items, encoded)
    return encoded.whole
  }
}

function joined(array: Uint8Array, end: string): Encoded {
  const whole = Buffer.concat([head, array, Buffer.from(end)])
  return { whole, array: whole.subarray(head.byteLength, head.byteLength + array.byteLength), end }
}
