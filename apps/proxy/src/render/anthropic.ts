import { type GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { type RenderedError, renderOpenAiError } from './openai.ts'

/**
 * Failures in Anthropic's envelope: `{"type": "error", "error": {"type", "message"}}`. Its types follow the status, but for those that a provider
 * has told in that envelope: the types of others are no words of Anthropic's.
 */

const types: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

export function renderAnthropicError(error: GatewayError): RenderedError & { readonly body: JsonObject } {
  const { status } = renderOpenAiError(error)
  const { provider, errorCode } = error.details
  const { type: envelope, error: told } = isJsonObject(provider?.body) ? provider.body : {}
  const isOwn = provider?.status === status && envelope === 'error' && isJsonObject(told)
  const own = isOwn && typeof told['type'] === 'string' ? told : undefined
  return {
    status,
    body: {
      type: 'error',
      error: {
        ...own,
        type: own?.['type'] ?? types.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error'),
        message: error.message,
        ...(typeof errorCode === 'string' && { details: { error_code: errorCode } }),
      },
    },
  }
}
