import type { Clock, OutboundRequest, Secret } from '@toolgate/core'
import { AwsV4Signer } from 'aws4fetch'

export interface AwsKeys {
  readonly keyId: Secret
  readonly key: Secret
  /** Of keys that are a session's. */
  readonly sessionToken: Secret | undefined
}

export interface AwsSigning {
  readonly keys: AwsKeys
  readonly service: string
  /** Absent: what the host says, else us-east-1. */
  readonly region: string | undefined
  readonly clock: Clock
}

/** AWS Signature Version 4 over a request as it will be sent, body and all. */
export async function signedForAws(
  request: OutboundRequest,
  { keys, service, region, clock }: AwsSigning,
): Promise<OutboundRequest> {
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url,
    headers: request.headers,
    accessKeyId: keys.keyId.reveal(),
    secretAccessKey: keys.key.reveal(),
    service,
    datetime: new Date(clock.now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    ...(keys.sessionToken !== undefined && { sessionToken: keys.sessionToken.reveal() }),
    ...(region !== undefined && { region }),
    ...(request.body !== undefined && { body: bodyOf(request.body) }),
  })
  const { headers } = await signer.sign()
  return { ...request, headers: Object.fromEntries(headers) }
}

function bodyOf(body: string | Uint8Array): string | ArrayBuffer {
  return typeof body === 'string' ? body : Uint8Array.from(body).buffer
}
