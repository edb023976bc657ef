import { open } from 'node:fs/promises'
import { GatewayError, type Outbound } from '@toolgate/core'
import { codeOf, type FailurePlace, outboundFailed, unreachable } from '../../upstream/failure.ts'

/** Bytes of one document. The largest that is published, GitHub's, has 12 MB. */
export const maxDocumentBytes = 16 * 1024 * 1024

export interface SourceOptions {
  /** An http or https address, or the path of a file. */
  readonly specPath: string
  readonly outbound: Outbound
  readonly place: FailurePlace
  readonly signal: AbortSignal
}

/** The address of a document that is fetched; `undefined` for a file. */
export function documentUrlOf(specPath: string): string | undefined {
  return /^https?:\/\//i.test(specPath) ? specPath : undefined
}

/** The text of a document. No credential goes with the request. Rejects with a `GatewayError` that names the server. */
export async function readSource(options: SourceOptions): Promise<string> {
  const url = documentUrlOf(options.specPath)
  return url === undefined ? readFileText(options) : fetchText(url, options)
}

async function fetchText(url: string, { outbound, place, signal }: SourceOptions): Promise<string> {
  try {
    const headers = { accept: 'application/json, application/yaml, text/yaml, */*;q=0.5' }
    // The stage that asks bounds the whole.
    const response = await outbound.request({
      url,
      method: 'GET',
      headers,
      signal,
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    })
    if (response.status === 200) return await response.text(maxDocumentBytes)
    response.discard()
    throw unusable(place, `is not there: its address answered with HTTP status ${response.status}`)
  } catch (error) {
    throw outboundFailed(place, error)
  }
}

async function readFileText({ specPath, place }: SourceOptions): Promise<string> {
  try {
    await using file = await open(specPath)
    const { size } = await file.stat()
    if (size > maxDocumentBytes) throw unusable(place, `is larger than ${maxDocumentBytes} bytes`)
    return await file.readFile('utf8')
  } catch (error) {
    if (error instanceof GatewayError) throw error
    const why =
      codeOf(error) === 'ENOENT'
        ? 'has no OpenAPI document: file not found'
        : 'has an OpenAPI document that cannot be read'
    throw unreachable(place, { why, cause: error })
  }
}

/** `why` completes "The OpenAPI document of MCP server … " and quotes nothing of it. */
export function unusable({ server, stage }: FailurePlace, why: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL', `The OpenAPI document of MCP server "${server}" ${why}.`, {
    cause,
    details: { server, stage },
  })
}
