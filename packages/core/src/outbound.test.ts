import { createServer, type Server, type ServerResponse } from 'node:http'
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
    else if (request.url === '/endless') pour(response)
    else if (request.url === '/large-and-closed')
      response.writeHead(200, { connection: 'close' }).end('x'.repeat(100_000))
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

/** As fast as the reader takes it, and then a little more; counts what it got rid of. */
let poured = 0
function pour(response: ServerResponse): void {
  poured = 0
  const chunk = Buffer.alloc(65_536, 'x')
  const more = () => {
    do poured += chunk.length
    while (response.write(chunk))
  }
  response.on('drain', more)
  more()
}

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

  it('stops reading at the bound, also where the connection would end anyway', async () => {
    const response = await post('/large-and-closed')
    await expect(response.text(1000)).rejects.toThrow(/larger than 1000 bytes/)
  })

  it('takes a body no faster than it is read', async () => {
    const response = await post('/endless')
    const pieces = response.body[Symbol.asyncIterator]()
    await pieces.next()
    let before = -1
    await vi.waitFor(() => {
      const stands = poured === before
      before = poured
      expect(stands).toBe(true)
    })
    const held = poured
    for (let bytes = 0; bytes <= held; ) bytes += (await pieces.next()).value?.length ?? Number.NaN
    expect(poured).toBeGreaterThan(held)
    response.discard()
    await expect(pieces.next()).rejects.toThrow('aborted')
  })

  it('ends a body at once when its signal aborts', async () => {
    const leaver = new AbortController()
    const response = await post('/endless', leaver.signal)
    const reading = response.text(1e12)
    leaver.abort(new Error('gone'))
    await expect(reading).rejects.toThrow('gone')
  })

  it('drops the rest of a body that is not read to its end', async () => {
    const response = await post('/endless')
    for await (const piece of response.body) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    await expect(response.text(1e12)).rejects.toThrow('aborted')
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
