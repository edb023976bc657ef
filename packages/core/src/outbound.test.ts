import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { classifyOutboundFailure, createOutbound } from './outbound.ts'

const bounds = { headersTimeoutMs: 500, bodyTimeoutMs: 500 }
const outbound = createOutbound()
let server: Server
let origin: string

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/same') response.writeHead(307, { location: '/final' }).end()
    else if (request.url === '/loop') response.writeHead(308, { location: '/loop' }).end()
    else if (request.url === '/away') response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()
    else if (request.url === '/turns-get') response.writeHead(302, { location: '/final' }).end()
    else if (request.url === '/away-open')
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).write('x'.repeat(300_000))
    else if (request.url === '/hang') return
    else if (request.url === '/large') response.end('x'.repeat(100_000))
    else request.pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  origin = `http://127.0.0.1:${address.port}`
})

afterAll(async () => {
  await outbound.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const post = (path: string, signal: AbortSignal = new AbortController().signal) =>
  outbound.request({
    url: origin + path,
    method: 'POST',
    headers: { authorization: 'x' },
    body: 'body',
    signal,
    ...bounds,
  })

describe('outbound', () => {
  it('follows a redirect within the origin with method and body', async () => {
    const response = await post('/same')
    expect(response.status).toBe(200)
    expect(await response.text(100)).toBe('body')
  })

  it.each(['/away', '/turns-get'])('refuses the redirect of %s', async (path) => {
    await expect(post(path)).rejects.toThrow(/Redirect .* refused/)
  })

  it('ends a redirect loop', async () => {
    await expect(post('/loop')).rejects.toThrow(/More than 3 redirects/)
  })

  it('gives the socket of a refused redirect back, though its body never ends', async () => {
    await expect(post('/away-open')).rejects.toThrow(/Redirect .* refused/)
    await vi.waitFor(async () => {
      const open = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))
      expect(open).toBeLessThanOrEqual(1)
    })
  })

  it('ends at once when its signal aborts, also before it was written', async () => {
    const leaver = new AbortController()
    const pending = post('/hang', leaver.signal)
    leaver.abort(new Error('gone'))
    await expect(pending).rejects.toThrow('gone')
  })

  it('stops reading at the bound', async () => {
    const response = await post('/large')
    await expect(response.text(1000)).rejects.toThrow(/larger than 1000 bytes/)
  })

  it('tells a hanging upstream, a cancelled request and a closed port apart', async () => {
    expect(classifyOutboundFailure(await post('/hang').catch((error: unknown) => error))).toBe('timeout')
    const aborted = post('/hang', AbortSignal.abort())
    expect(classifyOutboundFailure(await aborted.catch((error: unknown) => error))).toBe('cancelled')
    const closed = outbound.request({
      url: 'http://127.0.0.1:1/',
      method: 'GET',
      headers: {},
      signal: new AbortController().signal,
      ...bounds,
    })
    expect(classifyOutboundFailure(await closed.catch((error: unknown) => error))).toBe('unreachable')
  })

  it('gives libraries a fetch with the same pool, and no redirects', async () => {
    const { signal } = new AbortController()
    const response = await outbound.fetch(`${origin}/echo`, { method: 'POST', body: 'text', signal })
    expect(await response.text()).toBe('text')
    await expect(outbound.fetch(`${origin}/same`, { signal })).rejects.toThrow('fetch failed')
    await expect(outbound.fetch(`${origin}/echo`)).rejects.toThrow('needs a signal')
  })
})
