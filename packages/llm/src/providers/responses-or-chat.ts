import { GatewayError, isJsonObject } from '@toolgate/core'
import { crossResponses } from '../crossing/responses.ts'
import type { CrossingSeams } from '../crossing/wire-of.ts'
import type { Wire } from '../wire.ts'

const missingMs = 10 * 60_000

/**
 * Responses of a server that may not have them. One that answers with its plain 404, 405 or 501 has none: it is asked for
 * chat completions for a while, and for this request too, of which it has processed nothing. Then it is tried again: it may have
 * been a proxy's answer while the server was away.
 */
export function withChatInstead(responses: Wire, { chat, ...seams }: CrossingSeams & { chat: Wire }): Wire {
  const crossed = crossResponses(chat, seams)
  let missingUntil = Number.NEGATIVE_INFINITY
  const either = async <Answer>(own: () => Promise<Answer>, instead: () => Promise<Answer>): Promise<Answer> => {
    if (seams.clock.monotonic() < missingUntil) return instead()
    try {
      return await own()
    } catch (error) {
      if (!saysNoSuchRoute(error)) throw error
      missingUntil = seams.clock.monotonic() + missingMs
      return instead()
    }
  }
  return {
    generate: (body, signal, passing) =>
      either(
        () => responses.generate(body, signal, passing),
        () => crossed.generate(body, signal, passing),
      ),
    stream: (body, signal, passing) =>
      either(
        () => responses.stream(body, signal, passing),
        () => crossed.stream(body, signal, passing),
      ),
  }
}

/** A 404 about the model is told in OpenAI's envelope, with a code or a parameter. */
function saysNoSuchRoute(error: unknown): boolean {
  if (!(error instanceof GatewayError) || error.code !== 'PROVIDER_ERROR') return false
  const { status, body } = error.details.provider ?? { status: 0, body: undefined }
  if (status === 405 || status === 501) return true
  if (status !== 404) return false
  const told = isJsonObject(body) && isJsonObject(body['error']) ? body['error'] : {}
  return (
    typeof told['code'] !== 'string' &&
    typeof told['param'] !== 'string' &&
    !/model/i.test(JSON.stringify(told['message'] ?? ''))
  )
}
