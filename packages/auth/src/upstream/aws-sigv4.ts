import { randomBytes } from 'node:crypto'
import {
  type Clock,
  definePlug,
  type OutboundRequest,
  Secret,
  sharedScope,
  systemClock,
  type UpstreamAuth,
} from '@toolgate/core'
import { AwsV4Signer } from 'aws4fetch'
import { z } from 'zod'
import type { UpstreamAuthOptions } from './options.ts'
import { secretSetting } from './static-value.ts'

/** LiteLLM's default. */
const usualService = 'bedrock-agentcore'

const unsupported = z
  .string()
  .nullish()
  .refine((value) => !value, {
    error: 'is not supported: roles are not assumed. Give the keys of a session of the role, with aws_session_token',
  })

const schema = z.strictObject({
  aws_access_key_id: secretSetting,
  aws_secret_access_key: secretSetting,
  aws_session_token: secretSetting,
  aws_region_name: z.string().nullish(),
  aws_service_name: z.string().nullish(),
  aws_role_name: unsupported,
  aws_session_name: unsupported,
})

type Settings = z.output<typeof schema>

/**
 * `auth_type: aws_sigv4`: every request is signed with the operator's keys (AWS Signature Version 4), its body included. The keys
 * themselves are never sent. Through the resolver goes a mark that nobody else can make; where a caller's own credential takes its
 * place, nothing is signed.
 */
export const awsSigv4 = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'aws_sigv4',
  schema,
  create(settings, { report, clock = systemClock }) {
    const { aws_access_key_id: keyId, aws_secret_access_key: key, aws_session_token: sessionToken } = settings
    const common = { type: 'aws_sigv4', forwardsAuthorization: false } as const
    if (keyId === undefined || key === undefined) {
      report(
        'warning',
        'auth_type aws_sigv4 needs aws_access_key_id and aws_secret_access_key: ' +
          'only requests that bring a credential for this server will reach it.',
      )
      return { ...common, needsUserToken: true, present: async () => undefined }
    }
    const mark = `AWS4-HMAC-SHA256 ${randomBytes(16).toString('hex')}`
    const headers = new Map([
      ['authorization', new Secret(mark)],
      ...(sessionToken === undefined ? [] : [['x-amz-security-token', sessionToken] as const]),
    ])
    const presented = { type: 'aws_sigv4', scope: sharedScope, headers, rejected: () => false }
    return {
      ...common,
      resolution: 'aws-sigv4',
      needsUserToken: false,
      present: async () => presented,
      sign: (request) => signed(request, { mark, keyId, key, settings, clock }),
    }
  },
})

interface Signing {
  readonly mark: string
  readonly keyId: Secret
  readonly key: Secret
  readonly settings: Settings
  readonly clock: Clock
}

async function signed(
  request: OutboundRequest,
  { mark, keyId, key, settings, clock }: Signing,
): Promise<OutboundRequest> {
  const { authorization, ...headers } = request.headers
  if (authorization !== mark) return request
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url,
    headers,
    accessKeyId: keyId.reveal(),
    secretAccessKey: key.reveal(),
    service: settings.aws_service_name || usualService,
    datetime: new Date(clock.now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    ...(settings.aws_session_token !== undefined && { sessionToken: settings.aws_session_token.reveal() }),
    // Absent: what the host says, else us-east-1.
    ...(settings.aws_region_name && { region: settings.aws_region_name }),
    ...(request.body !== undefined && { body: bodyOf(request.body) }),
  })
  const { headers: proven } = await signer.sign()
  return { ...request, headers: Object.fromEntries(proven) }
}

function bodyOf(body: string | Uint8Array): string | ArrayBuffer {
  return typeof body === 'string' ? body : Uint8Array.from(body).buffer
}
