import { chat } from './chat-door.ts'
import type { LlmDoor } from './door.ts'
import { gemini } from './gemini-door.ts'
import { messages } from './messages-door.ts'
import { responses } from './responses-door.ts'

/** Every LLM door, each also in front of a model that speaks its dialect. */
export const llmDoors: readonly LlmDoor[] = [
  chat,
  responses,
  { ...responses, name: 'responses on OpenAI', model: 'openai' },
  messages,
  { ...messages, name: 'messages on Claude', model: 'claude' },
  gemini('gpt'),
  { ...gemini('gemini'), name: 'gemini on Gemini' },
]
