import { type JsonRpcMessage, jsonRpcCodes } from '@toolgate/core'
import type { McpPost } from '../routes.ts'
import { unsupportedVersion } from '../legacy/versions.ts'
import { modernVersion } from '../era.ts'

/** A request of the 2026-07-28 era. */
export interface ModernPost extends McpPost {
  readonly message: JsonRpcMessage
}

/**
 * Until that era is spoken here, its probe is told so in the one way that every client understands as "try the other
 * one": HTTP 200 and "method not found", and never the code for an unsupported version.
 */
export async function answerModern({ context, message }: ModernPost): Promise<Response> {
  const id = 'id' in message ? (message.id ?? null) : null
  if ('method' in message && message.method === 'server/discover') {
    const error = { code: jsonRpcCodes.methodNotFound, message: `Method not found: ${message.method}` }
    return context.json({ jsonrpc: '2.0', id, error })
  }
  return context.json({ jsonrpc: '2.0', id, error: unsupportedVersion(modernVersion) }, 400)
}
