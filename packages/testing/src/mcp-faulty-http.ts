import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { answerWell, type Fault, sendJson } from './mcp-faulty.ts'
import { answer, goodAnswer, textResult } from './mcp-faulty-answers.ts'

/** Wrong answers over HTTP. Each page of text repeats what it was sent, as careless servers do, credential included. */

export const hangs: Fault = () => {}

export const cuts: Fault = ({ response }) => void response.destroy()

export const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  ({ response, raw }) => {
    response.writeHead(code, { 'content-type': 'text/html', ...headers })
    response.end(`<html><pre>${raw}</pre></html>`)
  }

/** A JSON content type around whatever this is. */
export const document =
  (body: string | ((id: unknown) => string | Buffer)): Fault =>
  ({ response, message }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : body(message['id']))
  }

export const repeatsRequestAsJson: Fault = ({ response, raw }) => sendJson(response, raw)

/** The result of a call, with this text in it. */
export const succeeds = (id: unknown, text: string): string =>
  JSON.stringify({ jsonrpc: '2.0', id, result: textResult(text) })

export const rpcError: Fault = ({ response, message, raw }) =>
  sendJson(response, {
    jsonrpc: '2.0',
    id: message['id'],
    error: { code: -32050, message: 'broken on purpose', data: { raw } },
  })

/** A server with sessions that no longer knows the session of its first calls; how many of them, it is told. */
export const forgetsSession =
  (calls: number): Fault =>
  (exchange) => {
    const { message, response, count } = exchange
    if (message['method'] === 'initialize') response.setHeader('mcp-session-id', `session-${count}`)
    if (message['method'] === 'tools/call' && count <= calls) return void response.writeHead(404).end()
    return answerWell(exchange)
  }

export const redirectsForEver: Fault = ({ incoming, response }) =>
  void response.writeHead(307, { location: incoming.url ?? '' }).end()

export const redirectsTo =
  (address: string): Fault =>
  ({ response }) =>
    void response.writeHead(307, { location: address }).end()

export const cutsBody: Fault = async ({ response, message }) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const whole = succeeds(message['id'], 'never whole')
  await written(response, whole.slice(0, whole.length / 2))
  response.destroy()
}

/** Says that more comes than does, and ends. */
export const promisesMore: Fault = async ({ response, message }) => {
  const whole = succeeds(message['id'], 'shorter than said')
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length + 100 })
  await written(response, whole)
  response.destroy()
}

/** Says that less comes than does. */
export const promisesLess: Fault = ({ response, message }) => {
  const whole = succeeds(message['id'], 'longer than said')
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${whole.length - 10}\r\n\r\n`
  response.socket?.end(head + whole)
}

/** A gigabyte's worth of nothing, packed, to a client that asked for no packing. */
export const sendsGzip: Fault = ({ response }) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  response.end(gzipSync(Buffer.alloc(8 * 1024 * 1024, ' ')))
}

/** One byte at a time, never done in time. */
export const dribbles: Fault = async ({ response, message }) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  for (const byte of succeeds(message['id'], 'x'.repeat(10_000))) {
    if (response.destroyed) return
    response.write(byte)
    await pause(20)
  }
}

/** Splits a character of four bytes over two chunks: nothing wrong with that. */
export const splitsCharacter: Fault = async ({ response, message }) => {
  const bytes = Buffer.from(succeeds(message['id'], 'half 🧨 whole'))
  const middle = bytes.indexOf(Buffer.from('🧨')) + 2
  response.writeHead(200, { 'content-type': 'application/json' })
  await written(response, bytes.subarray(0, middle))
  response.end(bytes.subarray(middle))
}

/** Arrays in arrays, `depth` times: well-formed, and too deep for anything recursive. */
export const nests = (depth: number) =>
  document(
    (id) =>
      `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":${'['.repeat(depth)}${']'.repeat(depth)}}}`,
  )

/** A result of about this many bytes. */
export const sendsMuch =
  (bytes: number): Fault =>
  async ({ response, message }) => {
    const [head = '', tail = ''] = succeeds(message['id'], '|').split('|')
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    response.writeHead(200, { 'content-type': 'application/json' })
    await written(response, head)
    for (let sent = 0; sent < bytes && !response.destroyed; sent += chunk.length) await written(response, chunk)
    response.end(tail)
  }

/** Headers beyond what any client takes. */
export const sendsHugeHeader: Fault = ({ response, message }) => {
  response.writeHead(200, { 'content-type': 'application/json', 'x-huge': 'h'.repeat(200_000) })
  response.end(JSON.stringify(answer(message['id'], textResult('behind it'))))
}

/** As a good server, but two answers to one request: a batch of twice the same. */
export const answersTwice: Fault = ({ response, message }) => {
  const good = goodAnswer(message)
  sendJson(response, good === undefined ? {} : [good, good])
}

/** Waits until a chunk has left, or the client has. */
export async function written(response: ServerResponse, chunk: string | Uint8Array): Promise<void> {
  if (response.destroyed || response.write(chunk)) return
  const settled = new AbortController()
  const first = (event: string) => once(response, event, { signal: settled.signal })
  await Promise.race([first('drain'), first('close')]).finally(() => settled.abort())
}
