import { inputRequired } from '@modelcontextprotocol/server'

/** The questions that tools and prompts of 2026-07-28 put into their results. */

export const askName = form('What is your name?', 'name', { type: 'string' })
export const askColour = form('Step 2: What is your favorite color?', 'color', { type: 'string' })
export const askConfirmation = form('Please confirm', 'ok', { type: 'boolean' })
export const askContext = form('What context should the prompt use?', 'context', { type: 'string' })

export const askRoots = inputRequired.listRoots()

export function askModel(question: string, maxTokens: number) {
  return inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: question } }],
    maxTokens,
  })
}

function form(message: string, field: string, value: { type: 'string' } | { type: 'boolean' }) {
  return inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [field]: value }, required: [field] },
  })
}
