import type { JsonObject } from '@toolgate/core'
import type { ProviderAnswers, Said } from './provider-answers.ts'

/** OpenAI's Responses, in the order of its events. */
export const responsesAnswers: ProviderAnswers = {
  whole: (said) => ({ json: responseOf(said) }),
  stream: (said) => ({ events: eventsOf(said) }),
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
    ...(text === undefined
      ? []
      : [{ id: 'msg_fake', type: 'message', status: 'completed', role: 'assistant', content: [textPart(text)] }]),
    ...calls.map(({ id, name, input }) => ({
      id: `fc_${id}`,
      type: 'function_call',
      status: 'completed',
      call_id: id,
      name,
      arguments: JSON.stringify(input),
    })),
  ]
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [] }
}

function eventsOf(said: Said): string[] {
  const response = responseOf(said)
  const begun = { ...response, status: 'in_progress', output: [], usage: null }
  const events: (JsonObject & { type: string })[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...itemsOf(said).flatMap((item, at) => [
      { type: 'response.output_item.added', output_index: at, item: beginningOf(item) },
      ...piecesOf(item, said).map((piece) => ({ ...piece, output_index: at, item_id: item['id'] ?? '' })),
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
function piecesOf({ type, arguments: input }: JsonObject, { thought = '', text = '' }: Said) {
  if (type === 'message') {
    const at = { content_index: 0 }
    return [
      { type: 'response.content_part.added', ...at, part: textPart('') },
      ...halves(text).map((delta) => ({ type: 'response.output_text.delta', ...at, delta })),
      { type: 'response.output_text.done', ...at, text },
      { type: 'response.content_part.done', ...at, part: textPart(text) },
    ]
  }
  if (type === 'reasoning') {
    const at = { summary_index: 0 }
    return [
      { type: 'response.reasoning_summary_part.added', ...at, part: { type: 'summary_text', text: '' } },
      ...halves(thought).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...at, delta })),
      { type: 'response.reasoning_summary_text.done', ...at, text: thought },
      { type: 'response.reasoning_summary_part.done', ...at, part: { type: 'summary_text', text: thought } },
    ]
  }
  const written = typeof input === 'string' ? input : ''
  return [
    ...halves(written).map((delta) => ({ type: 'response.function_call_arguments.delta', delta })),
    { type: 'response.function_call_arguments.done', arguments: written },
  ]
}

function halves(text: string): string[] {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== '')
}
