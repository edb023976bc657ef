import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { everythingStdio, startEverything } from '@toolgate/testing/mcp-everything'
import { startPetApi } from '@toolgate/testing/pet-api'
import type { CompletionRef } from './clients.ts'

/** What to ask a server for, to see one feature of it, and what its answer then holds. */
export interface EraServer {
  /** As it stands in the file, and with one tool less. */
  readonly settings: object
  readonly withheld: string
  readonly call: Asked
  readonly structured?: Asked
  readonly fails: Asked
  readonly prompt?: string
  readonly resource?: string
  readonly templated?: { readonly template: string; readonly uri: string }
  readonly completion?: {
    readonly ref: CompletionRef
    readonly name: string
    readonly value: string
    readonly holds: string
  }
  readonly logs?: Asked
  readonly progress: Asked
  /** Goes on until it is cancelled, or for half a minute. */
  readonly endless: Asked
  readonly elicits?: Asked
  readonly samples?: Asked
  readonly roots?: Asked
  readonly subscription?: { readonly uri: string; readonly trigger: Asked }
}

export interface Asked {
  readonly name: string
  readonly args?: Record<string, unknown>
  readonly holds?: string
}

const everything = (settings: object): EraServer => ({
  settings: { ...settings, allow_elicitation: true, allow_sampling: true },
  withheld: 'get-tiny-image',
  call: { name: 'echo', args: { message: 'hi' }, holds: 'Echo: hi' },
  structured: { name: 'get-structured-content', args: { location: 'Chicago' }, holds: '"structuredContent":{' },
  fails: { name: 'get-structured-content', args: { location: 'Atlantis' }, holds: '"isError":true' },
  prompt: 'simple-prompt',
  resource: 'demo://resource/static/document/features.md',
  templated: { template: 'demo://resource/dynamic/text/{resourceId}', uri: 'demo://resource/dynamic/text/1' },
  completion: {
    ref: { type: 'ref/prompt', name: 'completable-prompt' },
    name: 'department',
    value: 'S',
    holds: '"Sales","Support"',
  },
  logs: { name: 'toggle-simulated-logging' },
  progress: { name: 'trigger-long-running-operation', args: { duration: 0.1, steps: 2 } },
  endless: { name: 'trigger-long-running-operation', args: { duration: 30, steps: 300 } },
  elicits: { name: 'trigger-elicitation-request', holds: 'Ada' },
  samples: { name: 'trigger-sampling-request', args: { prompt: 'x', maxTokens: 5 }, holds: 'said by the model' },
  roots: { name: 'get-roots-list', holds: 'home of Ada' },
  subscription: { uri: 'demo://resource/dynamic/text/1', trigger: { name: 'toggle-subscriber-updates' } },
})

const conformance = (url: string): EraServer => ({
  settings: { url, allow_elicitation: true, allow_sampling: true },
  withheld: 'test_image_content',
  call: { name: 'test_simple_text', holds: 'simple text response' },
  structured: { name: 'test_structured_content', holds: '"structuredContent":{' },
  fails: { name: 'test_error_handling', holds: '"isError":true' },
  prompt: 'test_simple_prompt',
  resource: 'test://static-text',
  templated: { template: 'test://template/{id}/data', uri: 'test://template/7/data' },
  completion: {
    ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
    name: 'arg1',
    value: 'par',
    holds: '"paris","park","party"',
  },
  logs: { name: 'test_logging_tool' },
  progress: { name: 'test_tool_with_progress' },
  endless: { name: 'test_wait' },
  elicits: { name: 'test_input_required_result_elicitation', holds: 'Hello, Ada!' },
  samples: { name: 'test_input_required_result_sampling', holds: 'said by the model' },
  roots: { name: 'test_input_required_result_list_roots', holds: 'home of Ada' },
  subscription: { uri: 'test://watched-resource', trigger: { name: 'test_trigger_resource_update' } },
})

const pets = (documentUrl: string): EraServer => ({
  settings: { spec_path: documentUrl },
  withheld: 'addpet',
  call: { name: 'removepet', args: { petId: 'rex' }, holds: '/v1/pets/rex' },
  structured: { name: 'removepet', args: { petId: 'rex' }, holds: '"structuredContent":{' },
  fails: { name: 'removepet', args: { petId: 'broken' }, holds: '"isError":true' },
  progress: { name: 'removepet', args: { petId: 'rex' } },
  endless: { name: 'removepet', args: { petId: 'endless' } },
})

export type EraServerName =
  | 'everything, stdio'
  | 'everything, HTTP'
  | 'everything, HTTP+SSE'
  | '2026-07-28 alone'
  | 'OpenAPI'

/** Every kind of server, each started once. */
export async function startEraServers() {
  const stack = new AsyncDisposableStack()
  const http = stack.use(await startEverything())
  const sse = stack.use(await startEverything('sse'))
  const modern = stack.use(await startConformanceServer({ eras: 'modern' }))
  const api = stack.use(await startPetApi())
  api.answer(({ path }) => {
    if (path.endsWith('/broken')) return Response.json({ error: 'out of order' }, { status: 500 })
    return path.endsWith('/endless') ? new Response(new ReadableStream()) : undefined
  })
  const servers: Readonly<Record<EraServerName, EraServer>> = {
    'everything, stdio': everything(everythingStdio),
    'everything, HTTP': everything({ url: http.url }),
    'everything, HTTP+SSE': everything({ url: sse.url, transport: 'sse' }),
    '2026-07-28 alone': conformance(modern.url),
    OpenAPI: pets(api.documentUrl()),
  }
  return { servers, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Its name in the file and in paths. */
export function handleOf(name: EraServerName): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')
}
