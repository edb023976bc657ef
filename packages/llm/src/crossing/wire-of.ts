import type { Clock, NewId } from '@toolgate/core'
import type { LlmProvider } from '../providers/provider.ts'
import type { Wire, WireDialect } from '../wire.ts'
import { crossGemini } from './gemini.ts'
import { crossMessages } from './messages.ts'
import { crossResponses } from './responses.ts'

export interface CrossingSeams {
  readonly clock: Clock
  readonly newId: NewId
}

/** Whether a provider is asked in the client's own words. */
export function speaks(provider: LlmProvider, dialect: WireDialect): boolean {
  return dialect === 'chat' || provider.native?.[dialect] !== undefined
}

/** How a provider is asked in a dialect: its own way where it speaks it, else crossed to chat completions. */
export function wireOf(provider: LlmProvider, dialect: WireDialect, seams: CrossingSeams): Wire {
  if (dialect === 'chat') return provider
  if (dialect === 'gemini') return provider.native?.gemini ?? crossGemini(provider, seams)
  if (dialect === 'messages') return provider.native?.messages ?? crossMessages(provider, seams)
  return provider.native?.responses ?? crossResponses(provider, seams)
}
