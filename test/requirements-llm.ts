import type { Requirement } from './requirements.ts'

/** What toolgate promises on the LLM side, beside the job that it came from. */
export const llmRequirements = {
  'filter:nearest-tools': {
    status: 'held',
    statement:
      'With the semantic filter a model is offered the tools nearest to what the user said; what a request names stays, headers say what was kept, and no request fails because of it.',
  },
  'models:completions': {
    status: 'held',
    statement: 'OpenAI’s older completions are relayed, whole and streamed, with the permissions of a chat completion.',
  },
  'models:embeddings': {
    status: 'held',
    statement:
      'Embeddings are relayed as their provider gave them, with the permissions, the errors and the ledger rows of a chat completion.',
  },
  'models:another-deployment': {
    status: 'held',
    statement:
      'Where a deployment of a model fails before the first byte another one answers, and the answer says which; after it nothing is begun again.',
  },
  'models:retries': {
    status: 'held',
    statement:
      'Only what may go better is repeated, after as long as its provider wants; no tool runs twice because of it.',
  },
  'models:cooldown': {
    status: 'held',
    statement: 'A deployment that fails is left alone for a while, as long as another one can answer.',
  },
  'models:fallbacks': {
    status: 'held',
    statement:
      'Other models answer for one that is down, too small or unwilling, as the file says; the ledger has both names.',
  },
  'models:parallel': {
    status: 'held',
    statement: 'A deployment gets no more requests at a time than its entry allows.',
  },
  'models:aliases': {
    status: 'held',
    statement: 'A model answers to other names as well, with the grants of its own.',
  },
  'chat:tool-progress': {
    status: 'held',
    statement:
      'Who asks is told in the stream when tools start, advance and finish, in chunks that standard SDKs pass over.',
  },
  'chat:signs-of-life': {
    status: 'held',
    statement:
      'While tools run a stream has signs of life that its SDKs read over, at every LLM door, so that nobody on the way takes it for dead.',
  },
  'chat:hang-up-stops-all': {
    status: 'held',
    statement: 'A client that hangs up ends the model and the tools that work for it at once.',
  },
  'chat:bounds-per-request': {
    status: 'held',
    statement:
      'A request narrows the bounds of its own tool loop and never widens them; at a bound the model answers without tools.',
  },
  'guardrails:models': {
    status: 'held',
    statement:
      'Guardrails mask or deny what models are asked and what they answer, in every dialect; a denial says why and shows nothing.',
  },
  'guardrails:streams': {
    status: 'held',
    statement: 'Of a stream nothing goes out that was not judged, and what is denied ends it with one error.',
  },
  'guardrails:calls': {
    status: 'held',
    statement:
      'Guardrails mask or deny arguments and results of MCP calls at every door, and a denied call reaches no server.',
  },
  'guardrails:untrusted': {
    status: 'held',
    statement: 'Results of tools can be marked as untrusted data, without characters that people cannot see.',
  },
  'guardrails:scope': {
    status: 'held',
    statement:
      'Guardrails hold for everybody, for keys or for requests that name them, and a name that means none lets nothing pass.',
  },
  'guardrails:http': {
    status: 'held',
    statement: 'A service in the shape of LiteLLM’s generic guardrail API judges calls, and learns no credential.',
  },
  'guardrails:failure': {
    status: 'held',
    statement: 'A guardrail that cannot judge denies, unless its operator said that calls go on without it.',
  },
  'chat:stable-prefix': {
    status: 'held',
    statement:
      'Every round of a tool loop begins with the tools and messages of the one before it, unchanged, so that prompt caches hold.',
  },
  'limits:per-key': {
    status: 'held',
    statement:
      'Requests, tokens and calls of a key within a minute, and its requests at a time, are limited at every door; a refusal says which limit and when to come again.',
  },
  'limits:loop-answers': {
    status: 'held',
    statement:
      'No limit of a key ends a tool loop between its rounds: the model is asked for its answer, without tools.',
  },
  'limits:budget': {
    status: 'held',
    statement:
      'What a key spends is counted in its row and held to its budget, which begins anew after its time; without the store none of its calls goes on.',
  },
  'limits:left-streams': {
    status: 'held',
    statement:
      'A stream that is over before its end, and an answer that nobody counted, has spend, by what was counted until then and an estimate of the rest, and its row says so.',
  },
  'chat:ceilings': {
    status: 'held',
    statement:
      'The file sets the ceiling of every tool loop and a key its own; a request stays below it, whatever it asks for.',
  },
  'chat:spend': {
    status: 'held',
    statement:
      'What rounds and calls cost is in their ledger rows, as far as prices are known, and bounds the loop between two rounds.',
  },
  'chat:long-results': {
    status: 'held',
    statement:
      'A result too long for a model is cut with a note, and the whole is found for a while by the key that asked.',
  },
  'chat:turns-continue-anywhere': {
    status: 'held',
    statement: 'A mixed turn that began on one replica continues on another.',
  },
  'responses:relayed': {
    status: 'held',
    statement: 'A Responses request to a provider that has Responses is relayed as it is, and so is its stream.',
  },
  'responses:one-lifecycle': {
    status: 'held',
    statement:
      'A response with gateway tools is one response, created and completed once, with MCP items in OpenAI’s order.',
  },
  'responses:approval': {
    status: 'held',
    statement:
      'A response asks for approval of a call and runs it once it was approved, one time, and never otherwise.',
  },
  'responses:continue': {
    status: 'held',
    statement: 'A response that the gateway made is continued by its id, by the key that asked for it alone.',
  },
  'responses:codex': {
    status: 'held',
    statement: 'What Codex sends to /v1/responses works with a model that knows chat completions alone.',
  },
  'messages:relayed': {
    status: 'held',
    statement: 'A request in Anthropic’s dialect to an Anthropic model is relayed as it is, and so is its stream.',
  },
  'messages:crossed': {
    status: 'held',
    statement: 'A request in Anthropic’s dialect works with any model, whole and streamed.',
  },
  'messages:count-tokens': {
    status: 'held',
    statement: 'Tokens are counted without a ledger row and without asking a model.',
  },
  'messages:claude-code': {
    status: 'held',
    statement: 'What Claude Code sends to /v1/messages works with a model that knows chat completions alone.',
  },
  'chat:reports-missing-servers': {
    status: 'held',
    statement:
      'At every LLM door a client is told which servers the tools are missing of, where its request did not name them.',
  },
  'sdks:careless-models': {
    status: 'held',
    statement:
      'The SDKs of OpenAI, Anthropic, Vercel and OpenAI Agents have one answer, with each tool run once, of a model that writes its streams carelessly.',
  },
  'llm:any-script': {
    status: 'held',
    statement:
      'Whatever a model, its deployments and the tools do, at every LLM door the stream is complete, says what the whole answer says, and each tool ran once.',
  },
  'llm:model-name': {
    status: 'held',
    statement:
      'An answer that the gateway makes, and what it says of a failure, calls its model what the client calls it, at every door.',
  },
  'llm:golden-streams': {
    status: 'held',
    statement: 'What clients read of a stream at each LLM door is recorded, and changes on purpose only.',
  },
  'messages:native-rounds': {
    status: 'held',
    statement:
      'On a Claude model the loop behind /v1/messages speaks Anthropic’s dialect: signed thoughts, cache marks and betas stay as they are.',
  },
  'gemini:relayed': {
    status: 'held',
    statement: 'A request in Gemini’s dialect to a Gemini model is relayed as it is, and so is its stream.',
  },
  'gemini:crossed': {
    status: 'held',
    statement: 'A request in Gemini’s dialect works with any model, whole and streamed.',
  },
  'gemini:cli': {
    status: 'held',
    statement: 'What Gemini CLI sends to /v1beta works with a model that knows chat completions alone.',
  },
  'gemini:count-tokens': {
    status: 'held',
    statement: 'Tokens of a Gemini request are counted without asking a model.',
  },
  'gemini:tools': {
    status: 'held',
    statement: 'Gateway tools run in the loop behind /v1beta, and the client is handed its own calls alone.',
  },
  'gemini:chats': {
    status: 'held',
    statement:
      'Google’s own chats, which remember a streamed answer in pieces, go on with it as with one that came whole.',
  },
  'gemini:native-rounds': {
    status: 'held',
    statement:
      'On a Gemini model the loop behind /v1beta speaks Gemini’s dialect: what was signed and parts nobody knows stay as they are.',
  },
  'messages:tools': {
    status: 'held',
    statement: 'Gateway tools run in the loop behind /v1/messages, and the client is handed its own calls alone.',
  },
} as const satisfies Record<string, Requirement>
