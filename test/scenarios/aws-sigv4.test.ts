import { createHash, createHmac } from 'node:crypto'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { serveOnLoopback } from '@toolgate/testing/loopback'
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
function signatureOf(
  { method, path, headers, raw }: Signed,
  { scope, signedHeaders, key = secret }: { scope: string; signedHeaders: string; key?: string },
): string {
  const body = raw.slice(raw.indexOf('\n\n') + 2)
  const canonicalHeaders = signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
  const canonical = [method, path, '', canonicalHeaders.join(''), signedHeaders, sha256(body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const [date = '', region = '', service = '', end = ''] = scope.split('/')
  return hmac(hmac(hmac(hmac(hmac(`AWS4${key}`, date), region), service), end), toSign).toString('hex')
}

type Signed = Pick<RawRequest, 'method' | 'path' | 'headers' | 'raw'>

function proofOf(request: Signed, key?: string) {
  const { authorization = '' } = request.headers
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const [, id, scope = '', signedHeaders = '', signature] = parts.exec(authorization) ?? []
  return {
    id,
    scope,
    signedHeaders,
    isRight: signature === signatureOf(request, { scope, signedHeaders, ...(key !== undefined && { key }) }),
  }
}

const arn = 'arn:aws:iam::123456789012:role/team/agents'
const roled = (origin: string) => ({
  url: upstream.url,
  auth_type: 'aws_sigv4',
  aws_access_key_id: keyId,
  aws_secret_access_key: secret,
  aws_region_name: 'eu-central-1',
  aws_role_name: arn,
  aws_session_name: 'gateway@one',
  aws_sts_endpoint: origin,
})

/** As the Security Token Service writes it. */
function sessionXml(times: number, endsAt: number): string {
  return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><AssumedRoleId>AROA:gateway@one</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIASESSION${times}</AccessKeyId>
      <SecretAccessKey>key/of+session-${times}</SecretAccessKey>
      <SessionToken>token-of-session-${times}==</SessionToken>
      <Expiration>${new Date(endsAt).toISOString()}</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>`
}

/** A Security Token Service that lets in whoever signs with the operator's keys. */
async function startSts() {
  const asked: Record<string, string>[] = []
  const state: { answer: (() => Response) | undefined } = { answer: undefined }
  const server = await serveOnLoopback(async (request) => {
    const body = await request.text()
    const { pathname: path } = new URL(request.url)
    const headers = Object.fromEntries(request.headers)
    const proof = proofOf({ method: request.method, path, headers, raw: `\n\n${body}` })
    if (!proof.isRight || proof.id !== keyId || !proof.scope.endsWith('/eu-central-1/sts/aws4_request')) {
      return new Response(null, { status: 403 })
    }
    if (state.answer !== undefined) return state.answer()
    asked.push(Object.fromEntries(new URLSearchParams(body)))
    return new Response(sessionXml(asked.length, clock.now() + 3_600_000))
  })
  return Object.assign(state, {
    asked,
    origin: server.origin,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

describe('a server at AWS', () => {
  verifies('identity:sigv4', 'gets every request signed as it is sent, its body included', async () => {
    expect(await call('agents', { 'x-tenant': 'seven' }, { text: 'ünïcode & "quotes"' })).toBe(200)
    expect(upstream.requests.length).toBeGreaterThan(2)
    const proofs = upstream.requests.map((request) => proofOf(request))
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

  verifies(
    'identity:sigv4',
    'is asked as a role that the keys assume: once for many, again before its end',
    async () => {
      const sts = await startSts()
      await using _ = sts
      await using here = await boot({ clock, log, config: { mcp_servers: { roled: roled(sts.origin) } } })
      const ask = async () =>
        (await here.request('/mcp-rest/tools/call', { body: { server_id: 'roled', name: 'echo', arguments: {} } }))
          .status
      expect(await Promise.all([ask(), ask(), ask(), ask()])).toEqual([200, 200, 200, 200])
      expect(sts.asked).toEqual([
        {
          Action: 'AssumeRole',
          Version: '2011-06-15',
          RoleArn: arn,
          RoleSessionName: 'gateway@one',
          DurationSeconds: '3600',
        },
      ])
      const signedWith = (times: number) => {
        const request = upstream.received('tools/call').at(-1)
        expect(request?.headers['x-amz-security-token']).toBe(`token-of-session-${times}==`)
        expect(request && proofOf(request, `key/of+session-${times}`)).toMatchObject({
          id: `ASIASESSION${times}`,
          scope: expect.stringContaining('/eu-central-1/bedrock-agentcore/'),
          isRight: true,
        })
      }
      signedWith(1)
      clock.advance(54 * 60_000)
      expect([await ask(), sts.asked.length]).toEqual([200, 1])
      clock.advance(2 * 60_000)
      expect([await ask(), sts.asked.length]).toEqual([200, 2])
      signedWith(2)
      // A session that the server refuses is replaced once.
      let refusals = 1
      upstream.answer(({ message }) =>
        message['method'] === 'tools/call' && refusals-- > 0 ? { status: 401 } : undefined,
      )
      expect([await ask(), sts.asked.length]).toEqual([200, 3])
      signedWith(3)
      upstream.answer(({ message }) => (message['method'] === 'tools/call' ? { status: 401 } : undefined))
      const before = sts.asked.length
      for (let times = 0; times < 3; times += 1) expect(await ask()).toBe(502)
      expect(sts.asked.length).toBe(before)
      upstream.answer(() => undefined)
    },
  )

  verifies(
    'identity:sigv4',
    'says what the service said where no session is given, and signs with nothing else',
    async () => {
      const sts = await startSts()
      await using _ = sts
      sts.answer = () => new Response(null, { status: 503 })
      await using here = await boot({ clock, log, config: { mcp_servers: { roled: roled(sts.origin) } } })
      const before = upstream.received('tools/call').length
      const expired = sessionXml(1, clock.now() - 1_000)
      for (const [status, body, said] of [
        [
          403,
          `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${secret}</Message></Error></ErrorResponse>`,
          '403 with AccessDenied',
        ],
        [500, '<html>', 'HTTP 500'],
        [200, '<AssumeRoleResponse/>', 'without the keys'],
        [200, expired, 'without the keys'],
        [200, 'x'.repeat(100_000), 'larger than'],
      ] as const) {
        sts.answer = () => new Response(body, { status })
        const answer = await here.json('/mcp-rest/tools/call', {
          body: { server_id: 'roled', name: 'echo', arguments: {} },
          status: 502,
        })
        expect(answer).toMatchObject({
          detail: { error: 'upstream_token_unavailable', server: 'roled', message: expect.stringContaining(said) },
        })
        expect(JSON.stringify(answer)).toContain(new URL(sts.origin).host)
      }
      expect(upstream.received('tools/call')).toHaveLength(before)
      sts.answer = undefined
      expect((await here.request('/mcp-rest/tools/call', { body: { server_id: 'roled', name: 'echo' } })).status).toBe(
        200,
      )
    },
  )

  verifies('identity:sigv4', 'is set aside with a region that would lead elsewhere, or nowhere', async () => {
    const told = recordingLog()
    const regions = { spaced: 'eu central-1', led: 'x@127.0.0.1:1/' }
    const servers = Object.entries(regions).map(
      ([name, aws_region_name]) =>
        [name, { ...roled('http://127.0.0.1:1'), aws_sts_endpoint: undefined, aws_region_name }] as const,
    )
    await using here = await boot({ log: told, config: { mcp_servers: Object.fromEntries(servers) } })
    expect(await here.json('/v1/mcp/server')).toEqual([])
    for (const name of Object.keys(regions)) {
      expect(told.lines.join('\n')).toContain(`mcp_servers.${name}.aws_region_name must be the name of a region`)
    }
  })

  verifies('identity:gateway-key-stays', 'never sees the key that signs, and no log does', async () => {
    for (const { raw } of upstream.requests) expect(raw).not.toContain(secret)
    expect(log.lines.join('\n')).not.toContain(secret)
    expect(log.lines.join('\n')).not.toContain(session)
    expect(log.lines.join('\n')).not.toMatch(/of[/+ -]+session-\d/)
    for (const { raw } of upstream.requests) expect(raw).not.toContain('key/of+session')
  })
})
