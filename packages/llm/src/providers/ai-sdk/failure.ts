import { AISDKError, APICallError, UnsupportedFunctionalityError } from '@ai-sdk/provider'
import { GatewayError, isJsonObject } from '@toolgate/core'
import type { ProviderParty } from '../provider.ts'
import { providerError, toProviderFailure, unreadableAnswer } from '../provider-failure.ts'

/** The SDK's errors hold the whole request; what goes into a log is only what they wrap. */
export function toFailure(error: unknown, party: ProviderParty, signal: AbortSignal): GatewayError {
  if (signal.aborted) return toProviderFailure(error, party, signal)
  if (UnsupportedFunctionalityError.isInstance(error)) {
    return new GatewayError(
      'INVALID_REQUEST',
      `The provider "${party.provider}" cannot do this: ${error.functionality}.`,
    )
  }
  if (isReportedInStream(error)) {
    const { statusCode, type, message } = error
    return providerError(party, {
      status: statusCode,
      text: JSON.stringify({ type: 'error', error: { type, message } }),
    })
  }
  if (APICallError.isInstance(error)) {
    const status = error.statusCode
    if (status !== undefined && status >= 300) {
      const retryAfter = error.responseHeaders?.['retry-after']
      return providerError(party, { status, retryAfter, text: error.responseBody ?? error.message })
    }
    // A success that could not be read: either its text made no sense, or the connection broke under it.
    if (!AISDKError.isInstance(error.cause)) return toProviderFailure(error.cause, party, signal)
  }
  if (!AISDKError.isInstance(error)) return toProviderFailure(error, party, signal)
  return unreadableAnswer(party, error.cause)
}

/** An error event of a stream, which the SDK reports as a plain object with the status it stands for. */
function isReportedInStream(error: unknown): error is { statusCode: number; type: string; message: string } {
  return isJsonObject(error) && !(error instanceof Error) && typeof error['statusCode'] === 'number'
}
