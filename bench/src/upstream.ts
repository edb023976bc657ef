import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/**
 * The smallest MCP server over streamable HTTP that a gateway accepts: session-less, JSON answers, one tool that returns a
 * kilobyte. Fast on purpose: what is measured is what stands in front of it.
 */
const kilobyte = 'x'.repeat(1024)
const results: Record<string, object> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'bench-upstream', version: '1.0.0' },
  },
  'tools/list': { tools: [{ name: 'kilobyte', inputSchema: { type: 'object', properties: {} } }] },
  'tools/call': { content: [{ type: 'text', text: kilobyte }] },
  ping: {},
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const message: { id?: number; method: string } | undefined =
    request.method === 'POST' ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined
  if (message?.id === undefined) {
    response.writeHead(message === undefined ? 405 : 202).end()
    return
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: results[message.method] ?? {} })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

const server = createServer((request, response) => void answer(request, response))
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
