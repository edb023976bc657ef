import { isJsonObject, type JsonObject } from '@toolgate/core'
import { type RecordedRequest, type ScriptedAnswer, startLlmServer } from '@toolgate/testing/llm-server'
import { type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import {
  anthropicAnswers,
  geminiAnswers,
  openAiAnswers,
  type ProviderAnswers,
  type Said,
} from '@toolgate/testing/provider-answers'
import { responsesAnswers } from '@toolgate/testing/responses-answers'
import { boot, type Booted, type BootOptions } from '../../boot.ts'

/** A round of the model: what it says, and how the first deployment that is asked for it fails. `breaks`: with an error in the middle of its stream. */
export interface Round extends Said {
  readonly fault?: 'refused' | 'denied' | 'limited' | 'cut' | 'breaks' | undefined
}

export interface DoorWorld extends AsyncDisposable {
  readonly gateway: Booted
  /** What the model says from now on, round by round, whole or streamed in the words of whoever is asked. */
  play(rounds: readonly Round[]): void
  /** Arguments of the calls that reached the server since `play`, in the order in which they came. */
  readonly ran: readonly JsonObject[]
  /** Everything that was sent to the model since `play`. */
  readonly asked: readonly JsonObject[]
}

interface DoorWorldOptions extends Omit<BootOptions, 'config'> {
  readonly config?: object
}

/**
 * `gpt` with chat completions alone, `openai` with Responses, `claude` and `gemini`, each with two deployments, and one server with the tools `look` and `ask`. A call's argument `as` says how it
 * ends, and `say` what the tool says.
 */
export async function startDoorWorld({ config = {}, ...options }: DoorWorldOptions = {}): Promise<DoorWorld> {
  let rounds: Round[] = []
  let asked: JsonObject[] = []
  let ran: JsonObject[] = []
  const behind = new AsyncDisposableStack()
  const llm = behind.use(
    await startLlmServer([
      (request) => {
        asked.push(request.body)
        const [round = { text: 'the script is empty' }] = rounds
        const { fault, ...said } = round
        if (fault === undefined || fault === 'breaks') rounds.shift()
        else rounds[0] = said
        return answerOf(request, said, fault)
      },
    ]),
  )
  const server = behind.use(
    await startRawMcpServer((request) => {
      if (request.message['method'] === 'tools/list') return { body: resultFor(request, { tools }) }
      if (request.message['method'] !== 'tools/call') return undefined
      const { arguments: input } = isJsonObject(request.message['params']) ? request.message['params'] : {}
      const given = isJsonObject(input) ? input : {}
      ran.push(given)
      return resultOf(request, given)
    }),
  )
  const gateway = behind.use(
    await boot({
      ...options,
      config: {
        ...config,
        mcp_servers: { srv: { url: server.url } },
        router_settings: { allowed_fails: 1_000_000 },
        model_list: [
          ...deployments('gpt', { model: 'openai/gpt-fake', api_base: `${llm.origin}/v1`, ...chatAlone }),
          ...deployments('openai', { model: 'openai/responses-fake', api_base: `${llm.origin}/v1` }),
          ...deployments('claude', { model: 'anthropic/claude-fake', api_base: llm.origin }),
          ...deployments('gemini', { model: 'gemini/gemini-fake', api_base: llm.origin }),
        ],
      },
    }),
  )
  return {
    gateway,
    play(next) {
      rounds = [...next]
      asked = []
      ran = []
    },
    get asked() {
      return asked
    },
    get ran() {
      return ran
    },
    [Symbol.asyncDispose]: () => behind.disposeAsync(),
  }
}

const chatAlone = { use_chat_completions_api: true }

function deployments(name: string, params: object): object[] {
  return ['a', 'b'].map((which) => ({
    model_name: name,
    litellm_params: { ...params, api_key: 'sk-provider' },
    model_info: { id: `${name}-${which}` },
  }))
}

const tools = ['look', 'ask'].map((name) => ({ name, inputSchema: { type: 'object' } }))

function resultOf(request: RawRequest, { as, say }: JsonObject) {
  const text = typeof say === 'string' ? say : 'nothing'
  if (as === 'gone') return 'drop' as const
  if (as === 'refused') {
    const error = { code: -32050, message: text }
    return { body: { jsonrpc: '2.0', id: request.message['id'], error } }
  }
  return { body: resultFor(request, { content: [{ type: 'text', text }], ...(as === 'failed' && { isError: true }) }) }
}

function answerOf({ path, body }: RecordedRequest, said: Said, fault: Round['fault']): ScriptedAnswer {
  const answers = answersOf(path)
  const streamed = body['stream'] === true || path.includes(':streamGenerateContent')
  if (fault === 'refused') return answers.refusal(500, 'Not now.')
  if (fault === 'denied') return answers.refusal(400, 'Not this.')
  if (fault === 'limited') return answers.refusal(429, 'Too many.')
  if (fault === 'cut') return streamed ? { events: [], afterwards: 'cut' } : answers.refusal(503, 'Cut.')
  const answer = streamed ? answers.stream(said) : answers.whole(said)
  return fault === 'breaks' && 'events' in answer ? { events: broken(answer.events) } : answer
}

function broken(events: readonly string[]): string[] {
  const error = { type: 'overloaded_error', code: 529, status: 'UNAVAILABLE', message: 'Busy.' }
  const last = `event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`
  // Half of a message of Anthropic's has begun a block, half of the others' has text.
  return [...events.slice(0, Math.ceil(events.length / 2)), last]
}

function answersOf(path: string): ProviderAnswers {
  if (path.startsWith('/v1/messages')) return anthropicAnswers
  if (path.startsWith('/v1/responses')) return responsesAnswers
  return path.startsWith('/v1beta') ? geminiAnswers : openAiAnswers
}
