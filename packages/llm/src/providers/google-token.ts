import { readFile } from 'node:fs/promises'
import { type Clock, GatewayError, type Outbound, parseJsonObject, Secret, startDeadline } from '@toolgate/core'
import { importPKCS8, SignJWT } from 'jose'
import { z } from 'zod'

/**
 * Access tokens for Google Cloud: of a service account, of what `gcloud auth application-default login` left, or of the machine it
 * runs on. One at a time, kept until a minute before it ends. Asks Google and nobody else, whatever the credentials say.
 */
export interface GoogleTokenOptions {
  /** A file, or its content; absent: the machine's own account. */
  readonly credentials: Secret | undefined
  readonly outbound: Outbound
  readonly clock: Clock
  readonly readCredentialFile?: ((path: string) => Promise<string | undefined>) | undefined
}

export interface GoogleToken {
  (signal: AbortSignal): Promise<string>
  /** The one in use and the one before it, which requests under way may still bear. */
  readonly presented: () => readonly Secret[]
}

const tokenAddress = 'https://oauth2.googleapis.com/token'
const machineAddress = 'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token'
const scope = 'https://www.googleapis.com/auth/cloud-platform'

const timeoutMs = 10_000
const maxAnswerBytes = 64_000
/** Milliseconds before its end at which a token is replaced. */
const marginMs = 60_000

const credentialsSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('service_account'), client_email: z.string(), private_key: z.string() }),
  z.looseObject({
    type: z.literal('authorized_user'),
    client_id: z.string(),
    client_secret: z.string(),
    refresh_token: z.string(),
  }),
])

/** Rejects with `PROVIDER_UNREACHABLE` or `CONFIGURATION_INVALID`; neither shows a credential. */
export function createGoogleToken(options: GoogleTokenOptions): GoogleToken {
  const { clock } = options
  let kept: { token: Secret; until: number } | undefined
  let asking: Promise<Secret> | undefined
  let presented: readonly Secret[] = []

  const fetchToken = async (): Promise<Secret> => {
    const answer = await askForToken(options)
    kept = { token: new Secret(answer.access_token), until: clock.now() + answer.expires_in * 1_000 - marginMs }
    presented = [kept.token, ...presented].slice(0, 2)
    return kept.token
  }
  const current = async (signal: AbortSignal): Promise<string> => {
    if (kept !== undefined && clock.now() < kept.until) return kept.token.reveal()
    // Whoever asks first asks for all of them; one that leaves ends nobody else's waiting.
    asking ??= fetchToken().finally(() => (asking = undefined))
    const token = await asking
    signal.throwIfAborted()
    return token.reveal()
  }
  return Object.assign(current, { presented: () => presented })
}

const answerSchema = z.looseObject({ access_token: z.string().min(1), expires_in: z.number() })

async function askForToken({ credentials, outbound, clock, readCredentialFile = fromDisk }: GoogleTokenOptions) {
  const form =
    credentials === undefined ? undefined : await toForm(await readCredentials(credentials, readCredentialFile), clock)
  using deadline = startDeadline(clock, timeoutMs)
  const response = await outbound
    .request({
      url: form === undefined ? machineAddress : tokenAddress,
      method: form === undefined ? 'GET' : 'POST',
      headers:
        form === undefined ? { 'metadata-flavor': 'Google' } : { 'content-type': 'application/x-www-form-urlencoded' },
      ...(form !== undefined && { body: form.toString() }),
      signal: deadline.signal,
      headersTimeoutMs: timeoutMs,
      bodyTimeoutMs: timeoutMs,
    })
    .catch((error: unknown) => {
      throw unavailable('cannot be reached', error)
    })
  const text = await response.text(maxAnswerBytes)
  if (response.status !== 200) throw unavailable(`answered ${response.status}`)
  const parsed = answerSchema.safeParse(parseJsonObject(text))
  if (!parsed.success) throw unavailable('answered without a token')
  return parsed.data
}

/** What is wrong with a file is told as what is wrong with the setting. */
const fromDisk = (path: string) => readFile(path, 'utf8').catch(() => undefined)

async function readCredentials(credentials: Secret, readCredentialFile: typeof fromDisk) {
  const given = credentials.reveal().trim()
  const text = given.startsWith('{') ? given : await readCredentialFile(given)
  const parsed = credentialsSchema.safeParse(text === undefined ? undefined : parseJsonObject(text))
  if (parsed.success) return parsed.data
  throw new GatewayError(
    'CONFIGURATION_INVALID',
    'vertex_credentials hold no service account and no authorized user, as JSON or as a file of it.',
  )
}

async function toForm(credentials: z.output<typeof credentialsSchema>, clock: Clock): Promise<URLSearchParams> {
  if (credentials.type === 'authorized_user') {
    const { client_id, client_secret, refresh_token } = credentials
    return new URLSearchParams({ grant_type: 'refresh_token', client_id, client_secret, refresh_token })
  }
  const now = Math.floor(clock.now() / 1_000)
  const assertion = await new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuer(credentials.client_email)
    .setAudience(tokenAddress)
    .setIssuedAt(now)
    .setExpirationTime(now + 3_600)
    .sign(await importPKCS8(credentials.private_key, 'RS256'))
  return new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
}

function unavailable(problem: string, cause?: unknown): GatewayError {
  return new GatewayError('PROVIDER_UNREACHABLE', `No access token for Vertex AI: Google ${problem}.`, { cause })
}
