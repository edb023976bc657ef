import { eraOfVersion, isJsonObject, type JsonObject, type JsonRpcMessage } from '@toolgate/core'
import { claimsModernEra } from '@toolgate/manager'

/** A date, as every version since there are two eras is. Whatever else stands in the header is for the older one to judge. */
const version = /^\d{4}-\d{2}-\d{2}$/

/** Whether a header names a version of the era without sessions, known or not. */
export function namesModernVersion(header: string | undefined): boolean {
  const named = header?.trim() ?? ''
  return version.test(named) && eraOfVersion(named) === 'modern'
}

/**
 * Whether a message is of the era without sessions: it says so in its `_meta`, or its header does. `initialize` opens a
 * session whatever a header says, unless it says itself that it wants none.
 */
export function speaksModern(message: JsonRpcMessage, header: string | undefined): boolean {
  if (!('method' in message)) return false
  const claims = claimsModernEra(message.params)
  if (message.method !== 'initialize') return claims || namesModernVersion(header)
  return claims && namesModernVersion(claimedVersion(message.params))
}

function claimedVersion(params: JsonObject | undefined): string | undefined {
  const meta = params?.['_meta']
  const claimed = isJsonObject(meta) ? meta['io.modelcontextprotocol/protocolVersion'] : undefined
  return typeof claimed === 'string' ? claimed : undefined
}
