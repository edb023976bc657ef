import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { IdentifiedResponse } from './identified-response.ts'

const ways: Record<string, (response: ServerResponse) => void> = {
  'with headers': (response) => response.writeHead(200, { 'x-given': 'g' }),
  'with a list of headers': (response) => response.writeHead(200, ['x-given', 'g']),
  'with a word and headers': (response) => response.writeHead(200, 'Fine', { 'x-given': 'g' }),
  'with a header that was set before': (response) => response.setHeader('x-given', 'g').writeHead(200),
  'by itself': (response) => response.setHeader('x-given', 'g'),
}

it.each(Object.entries(ways))('carries its own headers where it is written %s', async (_, write) => {
  const server = createServer({ ServerResponse: IdentifiedResponse }, (request, response) => {
    response.ownHeaders = { 'x-own': 'o', ...(request.url === '/given' && { 'x-given': 'own' }) }
    write(response)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${portOf(server.address())}`
  const headers = async (path: string) => {
    const answer = await fetch(`${origin}${path}`)
    return [answer.headers.get('x-own'), answer.headers.get('x-given')]
  }
  try {
    expect(await headers('/')).toEqual(['o', 'g'])
    expect(await headers('/given')).toEqual(['o', 'g'])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}
