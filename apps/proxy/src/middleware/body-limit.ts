import { GatewayError } from '@toolgate/core'
import { bodyLimit as streamedBodyLimit } from 'hono/body-limit'
import { requestHeader } from '../request-header.ts'
import type { Passage } from './joined.ts'

/**
 * Refuses bodies over `maxBytes` before they are read. A declared length is checked as it stands; only a body without
 * one is counted while it streams, which costs a copy.
 */
export function bodyLimit(maxBytes: number): Passage {
  const refuse = () => {
    throw new GatewayError('PAYLOAD_TOO_LARGE', `The request body is larger than ${maxBytes} bytes.`)
  }
  const counted = streamedBodyLimit({ maxSize: maxBytes, onError: refuse })
  const count: Passage = async (context, next) => {
    let counting = true
    try {
      await counted(context, () => {
        counting = false
        return next()
      })
    } catch (cause) {
      if (!counting || cause instanceof GatewayError) throw cause
      throw new GatewayError('CANCELLED', 'The client went away before the request body was read.', { cause })
    }
  }
  return function bodyLimit(context, next) {
    const length = requestHeader(context, 'content-length')
    if (length !== undefined) {
      if (Number(length) > maxBytes) refuse()
      return next()
    }
    if (requestHeader(context, 'transfer-encoding') === undefined) return next()
    return count(context, next)
  }
}
