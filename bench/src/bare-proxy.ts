import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'

/**
 * The limit that a gateway in Node can approach: node:http in front, an undici pool behind, the body read and written
 * once, nothing looked at.
 */
const upstream = new Pool(`http://127.0.0.1:${process.argv[3]}`, { connections: 64 })

async function relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { statusCode, body } = await upstream.request({
    path: request.url ?? '/',
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: Buffer.concat(chunks),
  })
  const bytes = Buffer.from(await body.arrayBuffer())
  response.writeHead(statusCode, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
}

const server = createServer((request, response) => void relay(request, response))
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
