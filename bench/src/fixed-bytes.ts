import { createServer } from 'node:http'

/** Answers `/N` with N bytes that it has ready: what sending an answer of that size costs, whoever makes it. */
const ready = new Map<string, Buffer>()

const server = createServer((request, response) => {
  const path = request.url ?? '/0'
  const bytes = ready.get(path) ?? Buffer.alloc(Number(path.slice(1)), 'x')
  ready.set(path, bytes)
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'))
