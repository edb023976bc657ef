/** Calls of a conversation that no result has answered yet. No call is looked at twice: a client chooses how many there are. */
export interface WaitingCalls {
  add(call: { readonly id: string; readonly name: string }): void
  /** The id of the first call with this id, or of this name where a result says no id; undefined where none waits. */
  take(result: { readonly id: string; readonly name: string }): string | undefined
}

interface Waiting {
  readonly id: string
  taken: boolean
}

interface Queue {
  readonly calls: Waiting[]
  /** Index of the first that may still wait. */
  next: number
}

export function createWaitingCalls(): WaitingCalls {
  const byId = new Map<string, Queue>()
  const byName = new Map<string, Queue>()
  return {
    add({ id, name }) {
      const call = { id, taken: false }
      append(byId, id, call)
      append(byName, name, call)
    },
    take({ id, name }) {
      const queue = id === '' ? byName.get(name) : byId.get(id)
      return queue === undefined ? undefined : takeFirst(queue)
    },
  }
}

function append(queues: Map<string, Queue>, key: string, call: Waiting): void {
  const queue = queues.get(key)
  if (queue === undefined) queues.set(key, { calls: [call], next: 0 })
  else queue.calls.push(call)
}

function takeFirst(queue: Queue): string | undefined {
  while (queue.next < queue.calls.length) {
    const call = queue.calls[queue.next]
    queue.next += 1
    if (call === undefined || call.taken) continue
    call.taken = true
    return call.id
  }
  return undefined
}
