import { isJsonObject, type JsonRpcMessage } from '@toolgate/core'

/** The era without sessions. Its requests say which version they speak, each for itself. */
export const modernVersion = '2026-07-28'

/** Where a request of that era says so, beside the header. */
const versionInMeta = 'io.modelcontextprotocol/protocolVersion'

/** Whether a message is of the era without sessions. `initialize` belongs to the other one whatever a header says. */
export function speaksModern(message: JsonRpcMessage, header: string | undefined): boolean {
  if (!('method' in message) || message.method === 'initialize') return false
  if (header === modernVersion) return true
  const meta = message.params?.['_meta']
  return isJsonObject(meta) && meta[versionInMeta] === modernVersion
}
