import { isJsonObject, type JsonObject, type Outbound } from '@toolgate/core'

/** The way out for a package of the AI SDK, with `extra_body` over what the package sends. */
export function fetchWithBody(fetch: Outbound['fetch'], extra: JsonObject | undefined): Outbound['fetch'] {
  if (extra === undefined) return fetch
  return (input, init) => fetch(input, withBody(init, extra))
}

function withBody<Init extends { body?: unknown } | undefined>(init: Init, extra: JsonObject): Init {
  if (typeof init?.body !== 'string') return init
  const body: unknown = JSON.parse(init.body)
  return isJsonObject(body) ? { ...init, body: JSON.stringify({ ...body, ...extra }) } : init
}
