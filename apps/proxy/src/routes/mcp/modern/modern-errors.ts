import { type GatewayError, isJsonObject, type JsonRpcErrorBody, jsonRpcCodes } from '@toolgate/core'
import { modernCodes } from '@toolgate/manager'
import { jsonRpcErrorOf } from '../../../render/json-rpc.ts'

/** Failures that a modern client looks for by their code, also where it called a tool. */
export function isOfTheEra({ code }: GatewayError): boolean {
  return code === 'INPUT_UNAVAILABLE' || code === 'HEADER_MISMATCH'
}

/** The `error` of a response where this era has a code of its own, else as in the other one. */
export function modernErrorOf(error: GatewayError, method: string): JsonRpcErrorBody {
  const body = jsonRpcErrorOf(error, method)
  if (error.code === 'INPUT_UNAVAILABLE') {
    const { required_capabilities: missing } = error.details
    const data = { requiredCapabilities: isJsonObject(missing) ? missing : {} }
    return { code: modernCodes.missingClientCapability, message: error.message, data }
  }
  if (error.code === 'HEADER_MISMATCH') return { ...body, code: modernCodes.headerMismatch }
  // Resources are parameters like any other now (spec 2026-07-28, Resources, Error Handling).
  return error.code === 'TARGET_NOT_FOUND' ? { ...body, code: jsonRpcCodes.invalidParams } : body
}

const statuses = new Map<number, 400 | 404>([
  [jsonRpcCodes.methodNotFound, 404],
  [modernCodes.headerMismatch, 400],
  [modernCodes.missingClientCapability, 400],
  [modernCodes.unsupportedProtocolVersion, 400],
])

/** The HTTP status that goes with an error, whoever it comes from; an answer like any other is 200. */
export function statusOf({ code }: JsonRpcErrorBody): 200 | 400 | 404 {
  return statuses.get(code) ?? 200
}
