import { once } from 'node:events'
import { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { silentLogger } from '@toolgate/core'
import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import type { AppEnv } from '../app-env.ts'
import { createLifecycle } from '../lifecycle.ts'
import { errorAnswers } from './errors.ts'
import { withinLifecycle } from './lifecycle.ts'

/** A server behind the two, whose `/stream` says one word, and the next when told. */
async function startServer() {
  const lifecycle = createLifecycle()
  lifecycle.enter('ready')
  const said = Promise.withResolvers<void>()
  const app = new Hono<AppEnv>()
  app.onError(errorAnswers({ log: silentLogger, publicAddress: { of: () => 'http://gateway.test', rootPath: '' } }))
  app.use(withinLifecycle(lifecycle))
  app.get('/health/readiness', (context) => context.text(lifecycle.phase))
  app.get('/quick', (context) => context.text('done'))
  app.get('/fails', () => {
    throw new Error('no')
  })
  app.get('/stream', (context) => {
    const stream = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(Buffer.from('first '))
        await said.promise
        controller.enqueue(Buffer.from('last'))
        controller.close()
      },
    })
    return context.body(stream)
  })
  const server = createAdaptorServer({ fetch: app.fetch })
  if (!(server instanceof Server)) throw new TypeError('no HTTP/1 server')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    lifecycle,
    finish: said.resolve,
    get: (path: string, signal?: AbortSignal) =>
      fetch(`http://127.0.0.1:${port}${path}`, signal === undefined ? {} : { signal }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('requests under way', () => {
  it('are counted until their last byte is sent, also when they stream or fail', async () => {
    await using server = await startServer()
    const { lifecycle } = server
    const stream = await server.get('/stream')
    expect((await server.get('/fails')).status).toBe(500)
    await vi.waitFor(() => expect(lifecycle.inFlight).toBe(1))
    const settled = lifecycle.settle(10_000)
    server.finish()
    expect(await stream.text()).toBe('first last')
    expect(await settled).toBe(true)
    expect(lifecycle.inFlight).toBe(0)
  })

  it('are not counted once their client has gone', async () => {
    await using server = await startServer()
    const leaving = new AbortController()
    await server.get('/stream', leaving.signal)
    expect(server.lifecycle.inFlight).toBe(1)
    leaving.abort()
    expect(await server.lifecycle.settle(10_000)).toBe(true)
  })

  it('hold up a stop no longer than its bound', async () => {
    await using server = await startServer()
    const stream = await server.get('/stream')
    expect(await server.lifecycle.settle(1)).toBe(false)
    server.finish()
    await stream.text()
  })
})

describe('while the gateway drains', () => {
  it('probes are answered, new work is refused as worth trying again, and every connection ends', async () => {
    await using server = await startServer()
    expect((await server.get('/quick')).headers.get('connection')).toBe('keep-alive')
    server.lifecycle.enter('draining')
    const [probe, work] = await Promise.all([server.get('/health/readiness'), server.get('/quick')])
    expect(await probe.text()).toBe('draining')
    expect(work.status).toBe(503)
    expect(work.headers.get('retry-after')).toBe('1')
    expect([probe, work].map(({ headers }) => headers.get('connection'))).toEqual(['close', 'close'])
  })

  it('a flood of refused work does not hold up the stop', async () => {
    await using server = await startServer()
    const counted = vi.spyOn(server.lifecycle, 'begin')
    server.lifecycle.enter('draining')
    await server.get('/quick')
    expect(counted).not.toHaveBeenCalled()
  })
})
