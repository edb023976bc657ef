import { isJsonObject, type JsonObject } from '@toolgate/core'
import { answerWell, type Fault, sendJson } from './mcp-faulty.ts'
import { answer, textResult } from './mcp-faulty-answers.ts'

/** A tool as a server describes it, with these arguments, all of them texts. */
export function describedTool(name: string, description: string, parameters: readonly string[] = []): JsonObject {
  const properties = Object.fromEntries(parameters.map((parameter) => [parameter, { type: 'string' }]))
  return { name, description, inputSchema: { type: 'object', properties } }
}

/** A server without faults: offers these tools, and answers every call with its own name, the tool's and the arguments. */
export const offersTools =
  (server: string, tools: readonly JsonObject[] | (() => readonly JsonObject[])): Fault =>
  (exchange) => {
    const { message, response } = exchange
    if (message['method'] === 'tools/list') {
      const listed = typeof tools === 'function' ? tools() : tools
      return sendJson(response, answer(message['id'], { tools: [...listed] }))
    }
    if (message['method'] !== 'tools/call') return answerWell(exchange)
    const { params } = message
    const { name = null, arguments: given = null } = isJsonObject(params) ? params : {}
    return sendJson(response, answer(message['id'], textResult(JSON.stringify({ server, name, given }))))
  }

const verbs =
  'create get list update delete search find send close merge assign archive upload download publish restart deploy rotate inspect validate'.split(
    ' ',
  )
const nouns =
  'issue pull_request branch commit channel message user invoice payment customer ticket page document folder file deployment pod secret log metric'.split(
    ' ',
  )

/** As many different tools as wanted, described in a sentence or two as real ones are. */
export function manyTools(server: string, count: number, seed = 0): readonly JsonObject[] {
  return Array.from({ length: count }, (_, index) => {
    const verb = verbs[index % verbs.length] ?? ''
    const noun = nouns[(index * 7 + seed) % nouns.length] ?? ''
    const words = noun.replaceAll('_', ' ')
    return describedTool(
      `${verb}_${noun}_${index}`,
      `${verb} a ${words} of ${server}. Use this when the user wants to ${verb} something about a ${words}; it answers with the ${words} as JSON and needs the rights to do so.`,
      ['id', 'workspace', 'cursor', `${noun}_name`],
    )
  })
}
