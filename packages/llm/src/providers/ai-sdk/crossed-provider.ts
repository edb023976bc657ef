import type { LanguageModelV4, LanguageModelV4CallOptions, SharedV4ProviderOptions } from '@ai-sdk/provider'
import { type Deadline, type GatewayError, type JsonObject, type Secret, startDeadline } from '@toolgate/core'
import { textOf } from '../../json-fields.ts'
import type { SchemaProfile } from '../../schemas/profiles.ts'
import { projectTools } from '../../schemas/project-tools.ts'
import { type ChunkHead, wantsUsage } from '../chat-events.ts'
import type { LlmProvider, ProviderOptions, ProviderParty } from '../provider.ts'
import { refuseUnsupported } from '../parameters.ts'
import type { CommonSettings } from '../settings.ts'
import type { Passing } from '../../wire.ts'
import { credentialsIn } from '../told-credentials.ts'
import { toCallOptions } from './chat-to-options.ts'
import { toFailure } from './failure.ts'
import { toChatCompletion } from './result-to-chat.ts'
import type { SignatureKeys } from './signatures.ts'
import { toChatEvents } from './stream-to-chat.ts'

/** A provider that speaks no dialect of ours, behind its package of the AI SDK. */
export interface CrossedProvider extends ProviderOptions {
  readonly type: string
  readonly settings: CommonSettings
  /** What it is presented with at the moment: taken out of what it says. */
  readonly secrets: () => readonly (Secret | undefined)[]
  readonly schemas: SchemaProfile
  /** Under which name the package carries the signatures of thoughts. */
  readonly signatures: SignatureKeys
  /** Loads the package when it is first used. */
  readonly load: (model: string) => Promise<LanguageModelV4>
  /** Of a request, what the AI SDK has no common word for. */
  readonly providerOptions?: (body: JsonObject) => SharedV4ProviderOptions | undefined
}

export function crossedProvider(options: CrossedProvider): LlmProvider {
  const { type, clock, newId, settings, secrets, schemas, signatures } = options
  const written = credentialsIn(settings.extra_headers ?? {})
  const partyOf = ({ model }: JsonObject, passing: Passing | undefined): ProviderParty => ({
    provider: type,
    model: passing?.model ?? textOf(model),
    credentials: [...secrets().filter((secret) => secret !== undefined), ...written],
  })

  const begin = async (asked: JsonObject, abortSignal: AbortSignal, passing: Passing | undefined) => {
    const body = projectTools(refuseUnsupported(asked, settings), { dialect: 'chat', profile: schemas })
    const model = textOf(body['model'])
    const created = Math.floor(clock.now() / 1_000)
    const head: ChunkHead = { id: newId('chatcmpl'), created, model: passing?.model ?? model }
    const providerOptions = options.providerOptions?.(body)
    const call: LanguageModelV4CallOptions = {
      ...toCallOptions(body, { signatures, startsWithUser: settings.modify_params === true }),
      abortSignal,
      ...(settings.extra_headers && { headers: settings.extra_headers }),
      ...(providerOptions && { providerOptions }),
    }
    return { head, call, model: await options.load(model) }
  }

  return {
    type,
    schemas,
    async generate(body, signal, passing) {
      using deadline = startDeadline(clock, settings.timeout, signal)
      try {
        const { head, call, model } = await begin(body, deadline.signal, passing)
        return toChatCompletion(await model.doGenerate(call), head)
      } catch (error) {
        throw toFailure(error, partyOf(body, passing), signal)
      }
    },
    async stream(body, signal, passing) {
      const deadline = startDeadline(clock, settings.timeout, signal)
      try {
        const { head, call, model } = await begin(body, deadline.signal, passing)
        const { stream } = await model.doStream(call)
        const events = toChatEvents(stream, { head, includeUsage: wantsUsage(body) })
        return bounded(events, deadline, (error) => toFailure(error, partyOf(body, passing), signal))
      } catch (error) {
        deadline[Symbol.dispose]()
        throw toFailure(error, partyOf(body, passing), signal)
      }
    },
  }
}

/** Ends the deadline with the stream. */
async function* bounded(
  events: AsyncIterable<Uint8Array>,
  deadline: Deadline,
  toGatewayFailure: (error: unknown) => GatewayError,
) {
  try {
    yield* events
  } catch (error) {
    throw toGatewayFailure(error)
  } finally {
    deadline[Symbol.dispose]()
  }
}
