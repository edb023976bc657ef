import { type GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { type RenderedError, renderOpenAiError } from './openai.ts'

/** Failures in Google's envelope: `{"error": {"code", "message", "status"}}`. The word follows the status (google.rpc.Code). */

const words: ReadonlyMap<number, string> = new Map([
  [400, 'INVALID_ARGUMENT'],
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [409, 'ABORTED'],
  [429, 'RESOURCE_EXHAUSTED'],
  [499, 'CANCELLED'],
  [503, 'UNAVAILABLE'],
  [504, 'DEADLINE_EXCEEDED'],
])

export function renderGeminiError(error: GatewayError): RenderedError & { readonly body: JsonObject } {
  const { status } = renderOpenAiError(error)
  const { provider } = error.details
  const told = isJsonObject(provider?.body) ? provider.body['error'] : undefined
  const own = provider?.status === status && isJsonObject(told) ? told : {}
  return {
    status,
    body: {
      error: {
        ...(Array.isArray(own['details']) && { details: own['details'] }),
        code: status,
        message: error.message,
        status:
          typeof own['status'] === 'string'
            ? own['status']
            : (words.get(status) ?? (status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT')),
      },
    },
  }
}
