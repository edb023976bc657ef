import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { toolNames } from './project-tools.ts'

/**
 * A provider that refuses a tool tells its position in the request, in a list that the client never saw. The failure is
 * given the tool's name; any other failure stays as it is.
 */
export function withBlamedTool(error: unknown, body: JsonObject): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'PROVIDER_ERROR') return error
  const { provider } = error.details
  if (provider === undefined || !refusals.has(provider.status)) return error
  const name = findBlamed(wordsOf(provider.body), toolNames(body))
  if (name === undefined) return error
  return new GatewayError(error.code, `${error.message} (The tool is "${name}".)`, {
    ...(error.internal !== undefined && { internal: error.internal }),
    cause: error.cause,
    details: { ...error.details, tool: name },
  })
}

const refusals: ReadonlySet<number> = new Set([400, 422])

/** `function_declarations[3]` (Gemini), `tools.3.` (Anthropic, Bedrock), `tools[3].function` (OpenAI); what is more special first. */
const positions = [/function_?declarations(?:\[|\.)(\d+)/i, /\btools(?:\[|\.)(\d+)/]

function findBlamed(words: string, names: readonly string[]): string | undefined {
  for (const position of positions) {
    const found = position.exec(words)?.[1]
    if (found !== undefined) return names[Number(found)]
  }
  // OpenAI names it, and then the client has read it already.
  return undefined
}

/** A provider's message, and the parameter that it speaks of. */
function wordsOf(body: unknown): string {
  const error = isJsonObject(body) ? (body['error'] ?? body) : undefined
  if (!isJsonObject(error)) return typeof error === 'string' ? error : ''
  return `${textOf(error['message'])} ${textOf(error['param'])}`
}
