import {
  type JsonObject,
  type JsonRpcErrorBody,
  jsonRpcCodes,
  type JsonRpcRequest,
  modernProtocolVersion,
} from '@toolgate/core'
import { decodeHeaderValue, type Envelope, modernCodes, nameFieldOf, readEnvelope } from '@toolgate/manager'

/** A request of the modern era as it may be answered, or why it may not be; always HTTP 400. */
export type Checked = { readonly envelope: Envelope } | { readonly refusal: JsonRpcErrorBody }

type HeaderOf = (name: string) => string | undefined

/** What a request must say of itself, in its body and again in its headers (spec 2026-07-28, Streamable HTTP). */
export function checkRequest({ method, params = {} }: JsonRpcRequest, headerOf: HeaderOf): Checked {
  const read = readEnvelope(params)
  if ('fault' in read) {
    const message = `Invalid params: "_meta" lacks a valid "${read.fault}", which protocol version ${modernProtocolVersion} requires.`
    return { refusal: { code: jsonRpcCodes.invalidParams, message, data: { envelope: read.fault } } }
  }
  const { protocolVersion, envelope } = read
  const version = headerOf('mcp-protocol-version')
  if (version !== undefined && version.trim() !== protocolVersion) {
    return mismatch('mcp-protocol-version', `the body says "${protocolVersion}" and the header "${version}"`)
  }
  if (protocolVersion !== modernProtocolVersion) return { refusal: unsupported(protocolVersion) }
  if (version === undefined) return mismatch('mcp-protocol-version', 'the header is missing')
  const fault = methodFault(method, headerOf) ?? nameFault(method, params, headerOf)
  return fault ?? { envelope }
}

function methodFault(method: string, headerOf: HeaderOf): Checked | undefined {
  const said = headerOf('mcp-method')
  if (said?.trim() === method) return undefined
  return mismatch('mcp-method', said === undefined ? 'the header is missing' : `the body says "${method}"`)
}

function nameFault(method: string, params: JsonObject, headerOf: HeaderOf): Checked | undefined {
  const field = nameFieldOf(method)
  const value = field === undefined ? undefined : params[field]
  if (typeof value !== 'string') return undefined
  const said = headerOf('mcp-name')
  if (said === undefined) return mismatch('mcp-name', 'the header is missing')
  if (decodeHeaderValue(said) === value) return undefined
  return mismatch('mcp-name', `it is not "params.${field}" of the body`)
}

function mismatch(header: string, why: string): Checked {
  const message = `Bad Request: headers and body disagree: ${header}: ${why}.`
  return { refusal: { code: modernCodes.headerMismatch, message, data: { header } } }
}

export function unsupported(requested: string): JsonRpcErrorBody {
  return {
    code: modernCodes.unsupportedProtocolVersion,
    message: `Unsupported protocol version: ${requested}`,
    data: { supported: [modernProtocolVersion], requested },
  }
}
