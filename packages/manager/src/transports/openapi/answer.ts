import { Buffer } from 'node:buffer'
import { GatewayError, type JsonObject, type OutboundResponse, parseJsonObject, type Secret } from '@toolgate/core'
import { credentialRejected, type FailurePlace } from '../../upstream/failure.ts'
import { isNestedTooDeep } from '../../upstream/nesting.ts'
import { withoutSecrets } from '../../upstream/redact.ts'

/** Bytes of one answer. */
const maxAnswerBytes = 16 * 1024 * 1024

/** Bytes of an error's body that the model gets to see. */
const maxErrorBytes = 64 * 1024

export interface Answered {
  readonly place: FailurePlace
  readonly secrets: readonly Secret[]
}

/**
 * The answer of an API as the result of a tool. An HTTP error is a result as well, with status and body, because the model can
 * do something about it; a 401 is not: it speaks of the credential, and rejects.
 */
export async function resultOf(response: OutboundResponse, { place, secrets }: Answered): Promise<JsonObject> {
  const { status } = response
  if (status === 401) {
    response.discard()
    const challenge = response.header('www-authenticate')
    throw credentialRejected(place, { status, challenge: challenge && withoutSecrets(challenge, secrets) })
  }
  const isError = status < 200 || status > 299
  const bytes = await bytesOf(response, isError)
  const type = (response.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (isError) return failed(response, withoutSecrets(bytes.toString('utf8'), secrets))
  if (bytes.length === 0) return { content: [{ type: 'text', text: `HTTP ${status}` }] }
  const media = mediaOf(type, bytes)
  if (media !== undefined) return { content: [media] }
  const text = bytes.toString('utf8')
  const value = objectIn(text, type)
  return { content: [{ type: 'text', text }], ...(value !== undefined && { structuredContent: value }) }
}

/** A result that the model can learn from. */
export function refusedArguments(message: string): JsonObject {
  return { content: [{ type: 'text', text: `The arguments are refused: ${message}.` }], isError: true }
}

function failed(response: OutboundResponse, body: string): JsonObject {
  const retryAfter = response.header('retry-after')
  const lines = [`HTTP ${response.status}`, ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]), body]
  return { content: [{ type: 'text', text: lines.join('\n').trim() }], isError: true }
}

function mediaOf(type: string, bytes: Buffer): JsonObject | undefined {
  const [family] = type.split('/')
  if (family === 'image' && type !== 'image/svg+xml')
    return { type: 'image', data: bytes.toString('base64'), mimeType: type }
  if (family === 'audio') return { type: 'audio', data: bytes.toString('base64'), mimeType: type }
  const isText = type === '' || family === 'text' || /json|xml|yaml|javascript|graphql|x-www-form-urlencoded/.test(type)
  if (isText && !bytes.includes(0)) return undefined
  const mimeType = type === '' ? 'application/octet-stream' : type
  return { type: 'resource', resource: { uri: 'openapi:response', mimeType, blob: bytes.toString('base64') } }
}

function objectIn(text: string, type: string): JsonObject | undefined {
  if (!/json/.test(type)) return undefined
  const value = parseJsonObject(text)
  return value !== undefined && !isNestedTooDeep(value, text.length) ? value : undefined
}

async function bytesOf(response: OutboundResponse, isError: boolean): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of response.body) {
    pieces.push(piece)
    size += piece.length
    if (isError && size >= maxErrorBytes) break
    if (size > maxAnswerBytes)
      throw new GatewayError('UPSTREAM_PROTOCOL', `Answer larger than ${maxAnswerBytes} bytes.`)
  }
  const bytes = Buffer.concat(pieces)
  return isError ? bytes.subarray(0, maxErrorBytes) : bytes
}
