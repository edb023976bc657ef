import { LATEST_PROTOCOL_VERSION } from '@modelcontextprotocol/client'
import { definePlug, type JsonObject, jsonRpcCodes, type Outbound } from '@toolgate/core'
import { z } from 'zod'
import type { Connection, UpstreamRequest } from '../upstream/connection.ts'
import { busy, outboundFailed, stageOf, unreachable, upstreamError } from '../upstream/failure.ts'
import { InFlightCall } from '../upstream/in-flight-call.ts'
import { addressSecrets, withoutCredentials } from './address.ts'
import { resultOf, refusedArguments } from './openapi/answer.ts'
import { type ApiSource, type CallableTool, createApiSource } from './openapi/api-source.ts'
import { ArgumentsRefused } from './openapi/arguments-refused.ts'
import { documentUrlOf } from './openapi/read-source.ts'
import { type ApiRequest, argumentsOf, requestOf } from './openapi/request.ts'
import type { TransportOptions, UpstreamTransport } from './transport.ts'

/** Calls in flight at one API; more are refused, because each holds a socket. */
const maxCallsInFlight = 512

const schema = z.strictObject({
  spec_path: z.string().min(1),
  url: z.url({ protocol: /^https?$/ }).nullish(),
})

/**
 * An HTTP API that an OpenAPI document describes: its operations are the tools, and a call is one request. Nothing is asked
 * of the API but what a tool does; whether the server is well is whether its document can be read.
 */
export const openapi = definePlug({
  type: 'openapi',
  schema,
  create({ spec_path: specPath, url }, options: TransportOptions): UpstreamTransport {
    const source = createApiSource({ ...options, specPath, url: url ?? undefined })
    const target: ApiTarget = { ...options, source, load: { calls: 0 } }
    const documentUrl = documentUrlOf(specPath)
    return {
      type: 'openapi',
      address: withoutCredentials(url ?? documentUrl ?? `file:${encodeURI(specPath)}`),
      sharing: 'always',
      sendsHeaders: true,
      connect: async ({ server }) => new ApiConnection(target, server.name),
      diagnostics() {
        const leftOut = source.known?.leftOut ?? []
        return leftOut.length === 0 ? {} : { leftOut }
      },
    }
  },
})

interface ApiTarget extends TransportOptions {
  readonly source: ApiSource
  readonly load: { calls: number }
}

/**
 * There is no connection to keep: it answers for itself what MCP asks, a list reads the document, and a call is a request of
 * its own.
 */
class ApiConnection implements Connection {
  readonly handshake: Connection['handshake']
  readonly sessionful = false
  readonly #target: ApiTarget
  readonly #server: string
  readonly #calls = new Set<InFlightCall>()
  #open = true

  constructor(target: ApiTarget, server: string) {
    const { title = 'OpenAPI', version = '0' } = target.source.known ?? {}
    this.#target = target
    this.#server = server
    this.handshake = {
      protocolVersion: LATEST_PROTOCOL_VERSION,
      capabilities: { tools: {} },
      serverInfo: { name: title, version },
      instructions: undefined,
    }
  }

  get open(): boolean {
    return this.#open
  }

  async request(request: UpstreamRequest): Promise<JsonObject> {
    const { clock, load } = this.#target
    const place = { server: this.#server, stage: stageOf(request.method) }
    if (!this.#open) throw unreachable(place, { why: 'was disconnected' })
    if (load.calls >= maxCallsInFlight) throw busy(place, 'too many calls are in flight there')
    using call = new InFlightCall(request, { id: 1, server: this.#server, clock })
    load.calls += 1
    this.#calls.add(call)
    try {
      return await this.#answer(request, call)
    } catch (error) {
      throw call.failure ?? outboundFailed(call.place, error)
    } finally {
      load.calls -= 1
      this.#calls.delete(call)
    }
  }

  async notify(): Promise<void> {}

  close(): Promise<void> {
    this.#open = false
    for (const call of this.#calls) call.fail(unreachable(call.place, { why: 'was disconnected' }))
    return Promise.resolve()
  }

  async #answer({ method, params }: UpstreamRequest, call: InFlightCall): Promise<JsonObject> {
    const { source } = this.#target
    if (method === 'ping') return {}
    if (method === 'tools/list') {
      const api = await source.refresh(call)
      return { tools: [...api.tools.values()].map(({ definition }) => definition) }
    }
    if (method !== 'tools/call') return this.#refuse(call, jsonRpcCodes.methodNotFound, `Method not found: ${method}`)
    const api = await source.current(call)
    const { name } = params
    const tool = typeof name === 'string' ? api.tools.get(name) : undefined
    if (tool === undefined) return this.#refuse(call, jsonRpcCodes.invalidParams, 'Unknown tool')
    // An address that the document alone names is not the operator's.
    const way = api.base.isNamed ? this.#target.outbound : this.#target.guardedOutbound
    return this.#call(call, { way, tool, params })
  }

  async #call(
    call: InFlightCall,
    { way, tool, params }: { way: Outbound; tool: CallableTool; params: JsonObject },
  ): Promise<JsonObject> {
    const prepared = await prepare({ tool, params, call })
    if (typeof prepared === 'string') return refusedArguments(prepared)
    const response = await way.request({
      ...prepared,
      signal: call.cancellation,
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    })
    const secrets = [...call.headers.values(), ...addressSecrets(tool.base)]
    return resultOf(response, { place: call.place, secrets })
  }

  #refuse({ place }: InFlightCall, code: number, message: string): never {
    throw upstreamError(place, { code, message }, [])
  }
}

interface Preparation {
  readonly tool: CallableTool
  readonly params: JsonObject
  readonly call: InFlightCall
}

/** The request, or what is wrong with the arguments. */
async function prepare({ tool, params, call }: Preparation): Promise<ApiRequest | string> {
  try {
    return await requestOf({ tool, base: tool.base, given: argumentsOf(params), credential: call.headers })
  } catch (error) {
    if (error instanceof ArgumentsRefused) return error.message
    // `encodeURIComponent`, of half a character.
    if (error instanceof URIError) return 'a text is not well-formed Unicode'
    throw error
  }
}
