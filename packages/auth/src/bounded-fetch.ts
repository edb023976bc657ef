/**
 * A way out as a `fetch` for libraries that speak OAuth: every request has this signal, every answer a bound, and nothing is
 * followed elsewhere.
 */
import type { Outbound } from '@toolgate/core'
import { boundedText } from './bounded-text.ts'

export interface BoundedFetchOptions {
  /** The way out that fits the address. */
  readonly wayTo: (url: string) => Pick<Outbound, 'fetch'>
  readonly signal: AbortSignal
  readonly maxBytes: number
}

export type BoundedFetch = (
  url: string,
  init?: Pick<RequestInit, 'method' | 'headers'> & { readonly body?: RequestInit['body'] | undefined },
) => Promise<Response>

export function boundedFetch({ wayTo, signal, maxBytes }: BoundedFetchOptions): BoundedFetch {
  return async (url, { method, headers, body } = {}) => {
    const response = await wayTo(url).fetch(url, {
      ...(method !== undefined && { method }),
      ...(headers !== undefined && { headers }),
      ...(body && { body: body instanceof URLSearchParams ? body.toString() : body }),
      signal,
    })
    const text = await boundedText(response, maxBytes)
    const challenge = response.headers.get('www-authenticate')
    return new Response(text === '' ? null : text, {
      status: response.status,
      headers: {
        'content-type': response.headers.get('content-type') ?? '',
        ...(challenge !== null && { 'www-authenticate': challenge }),
      },
    })
  }
}
