import {
  acceptedContent,
  completable,
  type GetPromptResult,
  inputRequired,
  type McpServer,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { ChangingOffer } from './changing-offer.ts'
import { askContext } from './input-requests.ts'
import { pixel } from './media.ts'

type Content = GetPromptResult['messages'][number]['content']

export function addPrompts(server: McpServer, offer: ChangingOffer): void {
  server.registerPrompt('test_simple_prompt', { description: 'Has no arguments.' }, () =>
    fromUser(said('This is a simple prompt for testing.')),
  )
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Has two arguments, the first with completions.',
      argsSchema: z.object({
        arg1: completable(z.string().describe('First test argument'), (typed) =>
          ['paris', 'park', 'party'].filter((word) => word.startsWith(typed)),
        ),
        arg2: z.string().describe('Second test argument'),
      }),
    },
    ({ arg1, arg2 }) => fromUser(said(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource.', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => {
      const resource = { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' }
      return fromUser({ type: 'resource', resource }, said('Please process the embedded resource above.'))
    },
  )
  server.registerPrompt('test_prompt_with_image', { description: 'Holds an image.' }, () =>
    fromUser({ type: 'image', ...pixel }, said('Please analyze the image above.')),
  )
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks before it answers.' },
    ({ mcpReq }) => {
      const given = acceptedContent(mcpReq.inputResponses, 'user_context')?.['context']
      if (typeof given !== 'string') return inputRequired({ inputRequests: { user_context: askContext } })
      return fromUser(said(`Prompt in the context of ${given}.`))
    },
  )
  if (!offer.extraPrompt) return
  server.registerPrompt('test_dynamic_prompt', { description: 'Is not always there.' }, () =>
    fromUser(said('Here for now.')),
  )
}

function said(words: string): Content {
  return { type: 'text', text: words }
}

function fromUser(...contents: Content[]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: 'user', content })) }
}
