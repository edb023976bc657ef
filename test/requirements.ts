import { upstreamRequirements } from './requirements-upstream.ts'

import { clientRequirements } from './requirements-clients.ts'
import { llmRequirements } from './requirements-llm.ts'
import { mcpRequirements } from './requirements-mcp.ts'

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
  'oauth:user-tokens-refresh': {
    status: 'held',
    pain: 7,
    statement: 'User tokens are refreshed before expiry and once after a 401, on one replica at a time.',
  },
  'm2m:token-cache': {
    status: 'held',
    pain: 8,
    statement:
      'A client-credentials token is fetched once for all, kept no longer than it lives, and dropped on a 401 and on a changed configuration.',
  },
  'identity:gateway-key-stays': {
    status: 'held',
    pain: 9,
    statement: 'No byte of a gateway key reaches an upstream, a log or an error, on any path.',
  },
  'identity:one-resolver': {
    status: 'held',
    pain: 10,
    statement:
      'Per-server headers reach their server only, in one documented order of precedence, nothing is broadcast.',
  },
  'oauth:own-resource': {
    status: 'held',
    pain: 11,
    statement: 'To MCP clients the gateway is its own protected resource with its own authorization server.',
  },
  'oauth:public-url': {
    status: 'held',
    pain: 12,
    statement: 'Metadata, challenges and callbacks are built from one configured public address.',
  },
  'oauth:user-tokens': {
    status: 'held',
    statement:
      'A user connects an account at a server once; its tokens are sealed, that user’s alone, and for that server alone.',
  },
  'oauth:tokens-follow-keys': {
    status: 'held',
    statement: 'A token of an MCP client is good for one endpoint, and as long as the key that consented is.',
  },
  'oauth:attacks': {
    status: 'held',
    statement:
      'Replayed codes and refresh tokens, downgrades, foreign forms, redirects and resources, and addresses inside get nobody a token.',
  },
  'access:grants-explained': {
    status: 'planned',
    pain: 14,
    statement: 'Keys, teams and groups resolve to one effective access that can be explained.',
  },
  'access:list-equals-call': {
    status: 'held',
    pain: 15,
    statement: 'At every door exactly the tools that are listed can be called; forbidden reads like unknown.',
  },
  'replicas:agree': {
    status: 'held',
    pain: 16,
    statement: 'A change on one replica holds on all within two seconds.',
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
  'health:honest': {
    status: 'held',
    pain: 23,
    statement: 'Health probes as calls do, tells stage and reason, and never shows down as healthy.',
  },
  'ledger:every-round': {
    status: 'held',
    pain: 24,
    statement: 'Every model round and every tool call is one row of one trace.',
  },
  'guardrails:recorded': {
    status: 'planned',
    pain: 25,
    statement: 'A guardrail blocks and leaves a record of its decision.',
  },
  'stdio:operator-only': {
    status: 'held',
    pain: 26,
    statement:
      'Only the configuration file names commands to run, and where it is switched on at start the API, from a list; they get a clean environment and no shell.',
  },
  'admin:closed-by-default': {
    status: 'held',
    pain: 27,
    statement: 'Every route but a short public list needs a credential; the admin API needs an administrator.',
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
    status: 'planned',
    pain: 30,
    statement: 'Tool schemas are projected to what each provider accepts, and an error names the tool.',
  },
  'faults:contained': {
    status: 'held',
    pain: 32,
    statement: 'A failing upstream fails its own callers only, also when many call at once.',
  },
  'faults:every-door': {
    status: 'held',
    statement:
      'Whatever a server does wrong, each door answers with an error of its own that names server and stage, and healthy servers answer meanwhile.',
  },
  'faults:nothing-left-open': {
    status: 'held',
    statement: 'After failures and after load no socket, child process or timer is left.',
  },
  'load:many-servers': {
    status: 'held',
    statement:
      'With a hundred servers, some dead and some hanging, lists come within the deadline of the healthy ones and calls are never mixed up.',
  },
  'memory:bounded': { status: 'planned', pain: 33, statement: 'Memory stays flat under load and abandoned sessions.' },
  'timeouts:named': {
    status: 'held',
    pain: 34,
    statement: 'Each stage of a call has a bound, and its error names server and stage.',
  },
  'telemetry:one-outcome': { status: 'planned', pain: 35, statement: 'A good call leaves no error in telemetry.' },
  'access:tool-grants': {
    status: 'held',
    pain: 37,
    statement: 'A grant may name tools, and a server may name the arguments they take.',
  },
  'limits:per-tool': {
    status: 'planned',
    pain: 38,
    statement: 'Rates and concurrency are limited per key, server and tool.',
  },
  'identity:admitted-first': {
    status: 'held',
    pain: 39,
    statement: 'Callers are admitted by the gateway first, also where their own credential is passed on.',
  },
  'identity:two-users-one-key': {
    status: 'held',
    pain: 40,
    statement: 'Two people never share a connection, a list or a result, not even behind one key.',
  },
  'upgrade:grants-kept': {
    status: 'planned',
    pain: 41,
    statement: 'Upgrades keep grants; migrations are tested on real dumps.',
  },
  'auth:methods-are-principals': {
    status: 'held',
    pain: 42,
    statement: 'Access depends on the principal alone, whatever method produced it.',
  },
  'auth:jwt': {
    status: 'held',
    statement:
      'A token of a trusted identity provider is its user here, reaches what its mapped scopes and roles give, and is refused where anything about it does not hold.',
  },
  'auth:jwt-keys': {
    status: 'held',
    statement:
      'Keys of an identity provider are read again without a stampede, and those that are known go on while it is away.',
  },
  'docs:openapi-from-schemas': {
    status: 'held',
    pain: 43,
    statement: 'The OpenAPI document comes from the schemas that check requests, and names every route.',
  },

  'start:one-command': {
    status: 'held',
    statement: 'One command starts a gateway whose printed commands work as printed; no key is printed or logged.',
  },
  'start:clear-failures': {
    status: 'held',
    statement:
      'A taken port, a locked folder, an unreachable database and a bad file end the start with one clear line.',
  },
  'stop:drains': {
    status: 'held',
    statement: 'A stop turns readiness first, lets calls finish, closes upstreams, writes the ledger and exits with 0.',
  },
  'config:seeds': {
    status: 'held',
    statement: 'The configurations that the project came from load and work as they are.',
  },
  'config:errors': {
    status: 'held',
    statement: 'A configuration error names file, path, kind of value and the nearest known key, never a secret.',
  },
  'keys:life': {
    status: 'held',
    statement:
      'Keys are made, read, listed, blocked, unblocked and deleted in the shapes of LiteLLM, and the raw key is shown once.',
  },
  'keys:take-effect': {
    status: 'held',
    statement: 'Expiry, block and deletion hold on every path within two seconds.',
  },
  'keys:config-upsert': {
    status: 'held',
    statement: 'Keys of the file are upserted at start; a block by an administrator survives.',
  },
  'keys:change': {
    status: 'held',
    statement:
      'A key is changed field by field, by several at once without loss, and every change is recorded by the names of its fields.',
  },
  'keys:regenerate': {
    status: 'held',
    statement:
      'Another key takes the place of one and keeps all it was; the former one goes on for the grace period and no longer.',
  },
  'keys:rotation': {
    status: 'held',
    statement: 'A key that is due for rotation works until its holder has the next one, which nobody else is shown.',
  },
  'keys:bounds': {
    status: 'held',
    statement: 'The file fills in what requests for keys leave out, and bounds what they may ask for.',
  },
  'keys:store-outage': { status: 'held', statement: 'An outage of the key store is never a 401.' },
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
  'reload:no-call-dropped': {
    status: 'held',
    statement:
      'A reload drops no call: those under way finish on what they began with, later ones see the changed file.',
  },
  'reload:all-or-nothing': {
    status: 'held',
    statement: 'A file with errors changes nothing and says where they are; one bad server is set aside alone.',
  },
  'reload:keys': {
    status: 'held',
    statement: 'A key that left the file stops within two seconds of the reload; others come and change with it.',
  },
  'reload:models': { status: 'held', statement: 'Models come, change and go with a reload.' },
  'reload:settings': {
    status: 'held',
    statement: 'Settings that can change while the gateway runs do; those that cannot are named as needing a restart.',
  },
  'reload:one-at-a-time': {
    status: 'held',
    statement: 'However many ask for a reload, one runs and at most one waits.',
  },
  'clock:jumps': {
    status: 'held',
    statement: 'When the clock is set, nothing hangs, and no key and no token is used past its life.',
  },
  'ledger:store-outage': {
    status: 'held',
    statement:
      'While the ledger cannot be written calls go on; rows wait within a bound, and what is lost is counted and said once.',
  },
  'process:faults-reported': {
    status: 'held',
    statement:
      'A promise that nobody handled is logged, counted and survived; an exception that nobody caught ends the process in order and as failed.',
  },
  'circuit:fails-fast': {
    status: 'held',
    statement:
      'A server that cannot be reached is refused at once, saying since when and until when, until one attempt reaches it.',
  },
  'lists:persisted': {
    status: 'held',
    statement:
      'A server that was listed once and is down is listed as stale with its age, also after a restart; every change of a list is a version.',
  },
  'storage:both-stores': { status: 'held', statement: 'Stores keep one contract on PGlite and on Postgres.' },
  'stdio:no-orphans': {
    status: 'held',
    statement: 'No child process of a stdio server outlives the gateway, however the gateway ended.',
  },
  'transports:fallback': {
    status: 'held',
    statement:
      'A legacy SSE server configured as http is found out once and spoken to in its way; nothing but its own word leads there.',
  },
  'container:static': {
    status: 'held',
    statement: 'The compose file and the Dockerfile are valid, health-checked and run without root.',
  },
} as const satisfies Record<string, Requirement>

export type RequirementId = keyof typeof requirements
