import { type ElicitRequestFormParams, type ServerContext, type CallToolResult } from '@modelcontextprotocol/server'
import { type FixtureTool, takes, text } from './fixture-tool.ts'

type Form = ElicitRequestFormParams['requestedSchema']

/** Tools that send the client a request of their own and wait: what revisions before 2026-07-28 can do. */
export const askingTools: readonly FixtureTool[] = [
  {
    name: 'test_sampling',
    description: 'Asks the client for a completion.',
    inputSchema: takes({ prompt: { type: 'string' } }),
    async run({ args, context }) {
      const { content } = await context.mcpReq.requestSampling({
        messages: [{ role: 'user', content: { type: 'text', text: String(args['prompt']) } }],
        maxTokens: 100,
      })
      const [first] = Array.isArray(content) ? content : [content]
      return text(`LLM response: ${first?.type === 'text' ? first.text : JSON.stringify(first)}`)
    },
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user for a name and an address.',
    inputSchema: takes({ message: { type: 'string' } }),
    run: ({ args, context }) =>
      ask(context, String(args['message']), {
        type: 'object',
        properties: {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        required: ['username', 'email'],
      }),
  },
  {
    name: 'test_elicitation_sep1034_defaults',
    description: 'Shows a form with defaults.',
    inputSchema: takes({}),
    run: ({ context }) =>
      ask(context, 'Please review the defaults', {
        type: 'object',
        properties: {
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        },
      }),
  },
  {
    name: 'test_elicitation_sep1330_enums',
    description: 'Shows a form with every kind of choice.',
    inputSchema: takes({}),
    run: ({ context }) => ask(context, 'Please choose', { type: 'object', properties: choices }),
  },
]

const choices: Form['properties'] = {
  untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
  titledSingle: {
    type: 'string',
    oneOf: [
      { const: 'value1', title: 'First Option' },
      { const: 'value2', title: 'Second Option' },
    ],
  },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
  titledMulti: {
    type: 'array',
    items: {
      anyOf: [
        { const: 'value1', title: 'First Choice' },
        { const: 'value2', title: 'Second Choice' },
      ],
    },
  },
}

async function ask(context: ServerContext, message: string, requestedSchema: Form): Promise<CallToolResult> {
  const { action, content } = await context.mcpReq.elicitInput({ mode: 'form', message, requestedSchema })
  return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`)
}
