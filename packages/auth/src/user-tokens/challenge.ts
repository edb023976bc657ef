import { extractWWWAuthenticateParams, type FetchLike } from '@modelcontextprotocol/client'

export interface Challenge {
  /** Where the server says that its metadata is; it may be anywhere. */
  readonly resourceMetadataUrl?: URL
  /** What it wants, in place of all that it knows. */
  readonly scope?: string
}

/** What a server tells whoever comes without a token (RFC 9728 §5.1). Nothing where it tells nothing, or lets anybody in. */
export async function challengeOf(address: string, fetchFn: FetchLike): Promise<Challenge> {
  try {
    const response = await fetchFn(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      // Changes nothing where it is answered after all.
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
    })
    await response.body?.cancel()
    if (response.status !== 401) return {}
    const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response)
    return { ...(resourceMetadataUrl !== undefined && { resourceMetadataUrl }), ...(scope !== undefined && { scope }) }
  } catch {
    // The metadata may be where it is by default; whether it is there says the next request.
    return {}
  }
}
