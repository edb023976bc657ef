import type { Clock, NewId, Outbound, Plug } from '@toolgate/core'

/** When a guardrail looks: LiteLLM's modes. The first three are about models, the others about MCP servers. */
export const guardrailModes = [
  'pre_call',
  'during_call',
  'post_call',
  'pre_mcp_call',
  'during_mcp_call',
  'post_mcp_call',
] as const

export type GuardrailMode = (typeof guardrailModes)[number]

/** One text of a request or an answer. */
export interface TextSlot {
  readonly text: string
  /** A value that a program reads, as in arguments or structured results: it may be masked, and nothing is put around it. */
  readonly structured: boolean
}

/** What a guardrail is shown of a call. */
export interface Subject {
  readonly slots: readonly TextSlot[]
  readonly mode: GuardrailMode
  readonly callId: string
  readonly traceId: string
  /** Whose call it is, for guardrails that treat callers differently. */
  readonly caller: {
    readonly keyHash: string
    readonly keyAlias?: string | undefined
    readonly userId?: string | undefined
    readonly teamId?: string | undefined
  }
  readonly model?: string | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
}

export type Verdict =
  | { readonly outcome: 'allowed' }
  /** `reason` is read by callers and models: it names what was found and never shows it. */
  | { readonly outcome: 'denied'; readonly reason: string; readonly rule?: string | undefined }
  /** One text per slot, in their order. */
  | {
      readonly outcome: 'changed'
      readonly texts: readonly string[]
      readonly rule?: string | undefined
      readonly count: number
    }

/** Why a guardrail could not judge, in words without anything of what it was to judge: for the log. */
export class GuardrailFault extends Error {
  override readonly name = 'GuardrailFault'
}

/** The product of a guardrail plug. Whatever it throws means that it could not decide. */
export interface Guardrail {
  /**
   * Characters of a text that it must see at once to recognise anything in it: a stream holds back as many. Undefined: it
   * judges whole answers.
   */
  readonly window: number | undefined
  check(subject: Subject, signal: AbortSignal): Promise<Verdict>
}

export interface GuardrailOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly newId: NewId
}

export interface GuardrailPlug extends Plug<GuardrailOptions, Guardrail> {
  /** The only modes in which it makes sense; absent: all. */
  readonly onlyModes?: readonly GuardrailMode[]
}
