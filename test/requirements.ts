import { accessRequirements } from './requirements-access.ts'
import { clientRequirements } from './requirements-clients.ts'
import { llmRequirements } from './requirements-llm.ts'
import { mcpRequirements } from './requirements-mcp.ts'
import { operationRequirements } from './requirements-operation.ts'
import { upstreamRequirements } from './requirements-upstream.ts'

/**
 * What toolgate promises, as data. A `held` behaviour is cited by at least one test (`verifies(id, …)`), or
 * `requirements.test.ts` fails; a `planned` one is not promised yet and is cited by none.
 * `pain` numbers what users of existing gateways suffer from, so that none of it is forgotten.
 */
export interface Requirement {
  readonly statement: string
  readonly status: 'held' | 'planned'
  readonly pain?: number
}

export const requirements = {
  ...accessRequirements,
  ...operationRequirements,
  ...upstreamRequirements,
  ...llmRequirements,
  ...mcpRequirements,
  ...clientRequirements,
  'chat:executes-tools': {
    status: 'held',
    pain: 1,
    statement:
      'A tool call of the model that names a gateway tool is executed or answered with an explicit error, whatever the provider called its finish reason.',
  },
  'chat:one-lifecycle-per-stream': {
    status: 'held',
    pain: 2,
    statement:
      'A client stream has one id, one role chunk and one finish reason, with text as it arrives and no delta of a gateway tool.',
  },
  'chat:several-rounds': {
    status: 'held',
    pain: 3,
    statement: 'Rounds repeat until the model answers, within bounds on rounds, calls and time.',
  },
  'chat:approval-per-call': {
    status: 'held',
    pain: 4,
    statement: 'Approval is decided per tool call; a tool that needs it is returned to the client and never executed.',
  },
  'chat:named-tools-resolve': {
    status: 'held',
    pain: 5,
    statement:
      'Tools that a request names resolve, or the request fails naming server and reason before any model is called.',
  },
  'list:outcome-per-server': {
    status: 'held',
    pain: 6,
    statement: 'A server that cannot be listed is an outcome with a reason, never an empty list.',
  },
  'registry:survives-restart': {
    status: 'held',
    pain: 17,
    statement: 'Stored servers are there before readiness turns green.',
  },
  'registry:stored-servers': {
    status: 'held',
    statement:
      'Servers are stored, changed in what is sent, imported, tried out and deleted through the API, in the shapes of LiteLLM.',
  },
  'registry:secrets-sealed': {
    status: 'held',
    statement: 'What is secret of a stored server is sealed at rest and in no answer, log or error.',
  },
  'registry:addresses-guarded': {
    status: 'held',
    statement: 'A stored server reaches the public Internet and what the operator lists, checked where it is dialled.',
  },
  'registry:bad-one-is-alone': {
    status: 'held',
    pain: 18,
    statement: 'A server whose definition is wrong is set aside with its reason; the others load.',
  },
  'list:fast': {
    status: 'held',
    pain: 19,
    statement: 'Lists come from the catalog; a hanging server does not delay them.',
  },
  'call:no-discovery': {
    status: 'held',
    pain: 20,
    statement: 'A call never waits for the discovery of another server.',
  },
  'call:no-handshake': {
    status: 'held',
    pain: 21,
    statement: 'Calls of one caller share an upstream session; its handshake happens once.',
  },
  'sessions:affinity': {
    status: 'planned',
    pain: 22,
    statement:
      'Stateful upstreams keep one session per downstream session, closed on time and renewed once after a 404.',
  },
  'guardrails:recorded': {
    status: 'planned',
    pain: 25,
    statement: 'A guardrail blocks and leaves a record of its decision.',
  },
  'relay:server-to-client': {
    status: 'held',
    pain: 28,
    statement: 'A request of an upstream to the client reaches the client whose call caused it.',
  },
  'rounds:input': {
    status: 'held',
    statement:
      'What a server needs of a client reaches that client across eras; who cannot be asked hears what is missing.',
  },
  'rounds:sealed-and-once': {
    status: 'held',
    statement:
      'The state of a call between rounds is sealed and good for that call alone; all rounds are one row, counted once.',
  },
  'toolsets:grants': {
    status: 'held',
    statement:
      'A toolset grants exactly its tools beside all other grants, at every list and call alike; a change holds on every replica within two seconds.',
  },
  'toolsets:view': {
    status: 'held',
    statement:
      'An endpoint or a chat entry that names a toolset lists and calls its tools and nothing else; one that is unknown and one that is not granted are one answer.',
  },
  'schemas:per-provider': {
    status: 'held',
    pain: 30,
    statement: 'Tool schemas are projected to what each provider accepts, and an error names the tool.',
  },
  'limits:per-tool': {
    status: 'planned',
    pain: 38,
    statement: 'Rates and concurrency are limited per key, server and tool.',
  },
  'docs:openapi-from-schemas': {
    status: 'held',
    pain: 43,
    statement: 'The OpenAPI document comes from the schemas that check requests, and names every route.',
  },
  'rest:tools': {
    status: 'held',
    statement: 'The REST door lists unprefixed tools with their server and calls them by server and name.',
  },
  'rest:bare-names': { status: 'held', statement: 'A bare tool name resolves when exactly one permitted tool has it.' },
  'chat:mixed-turns': {
    status: 'held',
    statement:
      'In a turn with gateway tools and client functions the client gets its own calls only, and the results meet again when it continues.',
  },
  'chat:relays-unknown-fields': {
    status: 'held',
    statement: 'Without gateway tools a chat request and its stream are relayed with unknown fields intact.',
  },
  'chat:claude-model': {
    status: 'held',
    statement: 'An OpenAI-shaped request with a virtual key runs tools on a Claude model and ends with "stop".',
  },
  'lists:persisted': {
    status: 'held',
    statement:
      'A server that was listed once and is down is listed as stale with its age, also after a restart; every change of a list is a version.',
  },
  'transports:fallback': {
    status: 'held',
    statement:
      'A legacy SSE server configured as http is found out once and spoken to in its way; nothing but its own word leads there.',
  },
} as const satisfies Record<string, Requirement>

export type RequirementId = keyof typeof requirements
