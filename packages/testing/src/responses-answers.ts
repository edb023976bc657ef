import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { ProviderAnswers, Said, SaidCall } from './provider-answers.ts'

/** OpenAI's Responses, in the order of its events. */
export const responsesAnswers: ProviderAnswers = {
  whole: (said) => ({ json: responseOf(said) }),
  stream: (said) => ({ events: responseEvents(responseOf(said)) }),
  refusal: (status, text) => ({
    status,
    json: { error: { message: text, type: 'server_error', param: null, code: 'fake' } },
  }),
}

const head = { id: 'resp_fake', object: 'response', created_at: 1_767_225_600, model: 'fake-model' }
const counts = { input_tokens: 10, output_tokens: 5, total_tokens: 15 }

function responseOf(said: Said): JsonObject {
  return { ...head, status: 'completed', output: itemsOf(said), usage: counts }
}

function itemsOf({ thought, text, calls = [] }: Said): JsonObject[] {
  return [
    ...(thought === undefined
      ? []
      : [{ id: 'rs_fake', type: 'reasoning', summary: [{ type: 'summary_text', text: thought }] }]),
    ...(text === undefined ? [] : [messageItem(text)]),
    ...calls.map(callItem),
  ]
}

/** An item of `output` that says this. */
export function messageItem(text: string): JsonObject {
  return { id: 'msg_fake', type: 'message', status: 'completed', role: 'assistant', content: [textPart(text)] }
}

/** An item of `output` that calls a function. */
export function callItem({ id, name, input }: SaidCall): JsonObject {
  return {
    id: `fc_${id}`,
    type: 'function_call',
    status: 'completed',
    call_id: id,
    name,
    arguments: JSON.stringify(input),
  }
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [] }
}

/** A whole response as the stream of it. */
export function responseEvents(response: JsonObject): string[] {
  const begun = { ...response, status: 'in_progress', output: [], usage: null }
  const events: (JsonObject & { type: string })[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...objectsIn(response['output']).flatMap((item, at) => [
      { type: 'response.output_item.added', output_index: at, item: beginningOf(item) },
      ...piecesOf(item).map((piece) => ({ ...piece, output_index: at, item_id: item['id'] ?? '' })),
      { type: 'response.output_item.done', output_index: at, item },
    ]),
    { type: 'response.completed', response },
  ]
  return events.map(
    (event, number) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: number })}\n\n`,
  )
}

function beginningOf(item: JsonObject): JsonObject {
  if (item['type'] === 'message') return { ...item, status: 'in_progress', content: [] }
  return item['type'] === 'reasoning' ? { ...item, summary: [] } : { ...item, status: 'in_progress', arguments: '' }
}

/** What comes between the beginning of an item and its end, each text in two halves. */
function piecesOf({ type, content, summary, arguments: input }: JsonObject) {
  if (type === 'message') {
    return objectsIn(content).flatMap(({ text }, content_index) => {
      const said = wordsIn(text)
      return [
        { type: 'response.content_part.added', content_index, part: textPart('') },
        ...halves(said).map((delta) => ({ type: 'response.output_text.delta', content_index, delta })),
        { type: 'response.output_text.done', content_index, text: said },
        { type: 'response.content_part.done', content_index, part: textPart(said) },
      ]
    })
  }
  if (type === 'reasoning') {
    return objectsIn(summary).flatMap(({ text }, summary_index) => {
      const thought = wordsIn(text)
      return [
        { type: 'response.reasoning_summary_part.added', summary_index, part: { type: 'summary_text', text: '' } },
        ...halves(thought).map((delta) => ({ type: 'response.reasoning_summary_text.delta', summary_index, delta })),
        { type: 'response.reasoning_summary_text.done', summary_index, text: thought },
        { type: 'response.reasoning_summary_part.done', summary_index, part: { type: 'summary_text', text: thought } },
      ]
    })
  }
  const written = wordsIn(input)
  return [
    ...halves(written).map((delta) => ({ type: 'response.function_call_arguments.delta', delta })),
    { type: 'response.function_call_arguments.done', arguments: written },
  ]
}

function halves(text: string): string[] {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== '')
}

function objectsIn(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

function wordsIn(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
