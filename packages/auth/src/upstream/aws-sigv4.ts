import {
  definePlug,
  type PresentedCredential,
  Secret,
  sharedScope,
  systemClock,
  type UpstreamAuth,
} from '@toolgate/core'
import { z } from 'zod'
import { type AwsSession, type AwsSessions, createAwsSessions, newMark } from '../tokens/aws-role.ts'
import { type AwsKeys, signedForAws } from '../tokens/aws-signature.ts'
import type { UpstreamAuthOptions } from './options.ts'
import { httpUrl } from './sign-in-settings.ts'
import { secretSetting } from './static-value.ts'

/** LiteLLM's default. */
const usualService = 'bedrock-agentcore'
const usualRegion = 'us-east-1'
const usualSessionName = 'toolgate'

const schema = z
  .strictObject({
    aws_access_key_id: secretSetting,
    aws_secret_access_key: secretSetting,
    aws_session_token: secretSetting,
    /** A part of addresses. */
    aws_region_name: z
      .string()
      .regex(/^[a-z0-9-]{0,64}$/, 'must be the name of a region, such as eu-central-1')
      .nullish(),
    aws_service_name: z.string().nullish(),
    aws_role_name: z
      .string()
      .regex(/^(?:|arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]+)$/, 'must be the ARN of a role')
      .nullish(),
    aws_session_name: z
      .string()
      .regex(/^(?:|[\w+=,.@-]{2,64})$/, 'must be 2 to 64 letters, digits and characters of +=,.@-_')
      .nullish(),
    /** The Security Token Service; LiteLLM's name for models. */
    aws_sts_endpoint: httpUrl.nullish(),
  })
  .refine((settings) => !settings.aws_role_name || keysOf(settings) !== undefined, {
    path: ['aws_role_name'],
    error: 'needs aws_access_key_id and aws_secret_access_key, which may assume it',
  })

type Settings = z.output<typeof schema>

/**
 * `auth_type: aws_sigv4`: every request is signed with the operator's keys, or with those of a session of a role that these may assume
 * (AWS Signature Version 4), its body included. The keys themselves are never sent. Through the resolver goes a mark that nobody else can
 * make; where a caller's own credential takes its place, nothing is signed.
 */
export const awsSigv4 = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'aws_sigv4',
  schema,
  create(settings, { report, clock = systemClock, outbound }) {
    const keys = keysOf(settings)
    const common = { type: 'aws_sigv4', forwardsAuthorization: false } as const
    if (keys === undefined) {
      report(
        'warning',
        'auth_type aws_sigv4 needs aws_access_key_id and aws_secret_access_key: ' +
          'only requests that bring a credential for this server will reach it.',
      )
      return { ...common, needsUserToken: true, present: async () => undefined }
    }
    const role = roleOf(settings, keys)
    const sessions = role === undefined ? alwaysThese(keys) : createAwsSessions(role, { outbound, clock })
    const service = settings.aws_service_name || usualService
    const region = settings.aws_region_name || undefined
    return {
      ...common,
      resolution: 'aws-sigv4',
      needsUserToken: false,
      async present({ server, signal }) {
        const session = await sessions.current(server, signal)
        return presented(session, () => sessions.refused(session))
      },
      async sign(request) {
        const { authorization, ...headers } = request.headers
        const session = sessions.withMark(authorization)
        if (session === undefined) return request
        return signedForAws({ ...request, headers }, { keys: session.keys, service, region, clock })
      },
    }
  },
})

function presented({ keys, mark }: AwsSession, rejected: () => boolean): PresentedCredential {
  const headers = new Map([
    ['authorization', new Secret(mark)],
    ...(keys.sessionToken === undefined ? [] : [['x-amz-security-token', keys.sessionToken] as const]),
  ])
  return { type: 'aws_sigv4', scope: sharedScope, headers, rejected }
}

/** The operator's own keys: nothing else could be tried where they are refused. */
function alwaysThese(keys: AwsKeys): AwsSessions {
  const session = { keys, mark: newMark() }
  return {
    current: async () => session,
    withMark: (mark) => (mark === session.mark ? session : undefined),
    refused: () => false,
  }
}

function keysOf(settings: {
  readonly aws_access_key_id?: Secret | undefined
  readonly aws_secret_access_key?: Secret | undefined
  readonly aws_session_token?: Secret | undefined
}): AwsKeys | undefined {
  const { aws_access_key_id: keyId, aws_secret_access_key: key, aws_session_token: sessionToken } = settings
  return keyId && key && { keyId, key, sessionToken }
}

function roleOf(settings: Settings, keys: AwsKeys) {
  const { aws_role_name: arn, aws_sts_endpoint: endpoint } = settings
  if (!arn) return undefined
  const region = settings.aws_region_name || usualRegion
  return {
    arn,
    sessionName: settings.aws_session_name || usualSessionName,
    // The partition of China has a domain of its own.
    endpoint: endpoint ?? `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`,
    region,
    keys,
  }
}
