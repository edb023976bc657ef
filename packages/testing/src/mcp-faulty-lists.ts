import type { JsonObject } from '@toolgate/core'
import { type Exchange, type Fault, sendJson } from './mcp-faulty.ts'
import { answer, tool } from './mcp-faulty-answers.ts'

/** Wrong answers to `tools/list`. What is wrong is in the result, so any transport can carry them. */

export type ListResult = (count: number) => JsonObject

/** Every page leads to another. */
export const pagesWithoutEnd: ListResult = (count) => ({ tools: [tool(`echo_${count}`)], nextCursor: `page-${count}` })

export const sameCursorForEver: ListResult = () => ({ tools: [tool('echo')], nextCursor: 'again' })

export const tooManyTools: ListResult = () => ({
  tools: Array.from({ length: 20_000 }, (_, index) => tool(`echo_${index}`)),
})

/** One good tool among things that are none. */
export const brokenTools: ListResult = () => ({
  tools: [
    null,
    7,
    'echo',
    [],
    {},
    { name: '' },
    { name: 4 },
    { ...tool('bad_schema'), inputSchema: 'x' },
    tool('echo'),
  ],
})

/** A good tool beside one whose name nobody could use. */
export const hugeNames: ListResult = () => ({ tools: [tool('n'.repeat(10_000)), tool('echo')] })

export const noList: ListResult = () => ({ tools: 'echo' })

export const noCursor: ListResult = () => ({ tools: [tool('echo')], nextCursor: { page: 2 } })

export const answersList =
  (result: ListResult): Fault =>
  ({ message, response, count }: Exchange) =>
    sendJson(response, answer(message['id'], result(count)))
