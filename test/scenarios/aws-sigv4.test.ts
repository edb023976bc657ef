import { createHash, createHmac } from 'node:crypto'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type RawMcpServer, type RawRequest, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const behind = new AsyncDisposableStack()
const clock = fakeClock(Date.UTC(2026, 4, 1, 12))
const log = recordingLog()
const keyId = 'AKIDEXAMPLE'
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const session = 'session-token-of-the-role'
let upstream: RawMcpServer
let gateway: Booted
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  const aws = { url: upstream.url, auth_type: 'aws_sigv4', aws_access_key_id: keyId, aws_secret_access_key: secret }
  gateway = behind.use(
    await boot({
      config: {
        mcp_servers: {
          agents: { ...aws, aws_region_name: 'eu-central-1', extra_headers: ['x-tenant'] },
          role: { ...aws, aws_session_token: session, aws_region_name: 'us-west-2', aws_service_name: 'execute-api' },
          keyless: { url: upstream.url, auth_type: 'aws_sigv4' },
        },
      },
      clock,
      log,
    }),
  )
})
afterAll(() => behind.disposeAsync())

const call = async (server: string, headers: Record<string, string> = {}, args: object = {}) => {
  const body = { server_id: server, name: 'echo', arguments: args }
  return (await gateway.request('/mcp-rest/tools/call', { headers, body })).status
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** AWS Signature Version 4, as the service itself works it out from what arrived. */
function signatureOf({ method, path, headers, raw }: RawRequest, scope: string, signedHeaders: string): string {
  const body = raw.slice(raw.indexOf('\n\n') + 2)
  const canonicalHeaders = signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
  const canonical = [method, path, '', canonicalHeaders.join(''), signedHeaders, sha256(body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const [date = '', region = '', service = '', end = ''] = scope.split('/')
  return hmac(hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), end), toSign).toString('hex')
}

function proofOf(request: RawRequest) {
  const { authorization = '' } = request.headers
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const [, id, scope = '', signedHeaders = '', signature] = parts.exec(authorization) ?? []
  return { id, scope, signedHeaders, isRight: signature === signatureOf(request, scope, signedHeaders) }
}

describe('a server at AWS', () => {
  verifies('identity:sigv4', 'gets every request signed as it is sent, its body included', async () => {
    expect(await call('agents', { 'x-tenant': 'seven' }, { text: 'ünïcode & "quotes"' })).toBe(200)
    expect(upstream.requests.length).toBeGreaterThan(2)
    const proofs = upstream.requests.map(proofOf)
    for (const proof of proofs) expect(proof).toMatchObject({ id: keyId, isRight: true })
    expect(proofs.at(-1)?.scope).toBe('20260501/eu-central-1/bedrock-agentcore/aws4_request')
    expect(upstream.received('tools/call').at(-1)?.headers).toMatchObject({
      'x-amz-date': '20260501T120000Z',
      'x-tenant': 'seven',
    })
  })

  verifies('identity:sigv4', 'knows a session of a role by its token, and the service that was named', async () => {
    expect(await call('role')).toBe(200)
    const request = upstream.received('tools/call').at(-1)
    expect(request?.headers['x-amz-security-token']).toBe(session)
    expect(request && proofOf(request)).toMatchObject({
      scope: '20260501/us-west-2/execute-api/aws4_request',
      signedHeaders: expect.stringContaining('x-amz-security-token'),
      isRight: true,
    })
  })

  verifies(
    'identity:sigv4',
    'is not signed for where a caller brings its own, nor for a mark that a caller makes up',
    async () => {
      for (const brought of ['Bearer of-the-caller', 'AWS4-HMAC-SHA256 00000000000000000000000000000000']) {
        expect(await call('agents', { 'x-mcp-agents-authorization': brought })).toBe(200)
        expect(upstream.received('tools/call').at(-1)?.headers.authorization).toBe(brought)
        expect(upstream.received('tools/call').at(-1)?.headers).not.toHaveProperty('x-amz-date')
      }
    },
  )

  verifies('identity:sigv4', 'without keys waits for what callers bring', async () => {
    expect(await call('keyless')).toBe(401)
  })

  verifies('identity:gateway-key-stays', 'never sees the key that signs, and no log does', async () => {
    for (const { raw } of upstream.requests) expect(raw).not.toContain(secret)
    expect(log.lines.join('\n')).not.toContain(secret)
    expect(log.lines.join('\n')).not.toContain(session)
  })
})
