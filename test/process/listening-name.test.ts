import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, type Place } from './gateway-process.ts'

let place: Place
beforeAll(() => {
  place = createPlace()
})
afterAll(() => place[Symbol.dispose]())

const masterKey = 'sk-master-key-of-this-test'

/** The status of a ping over MCP to a gateway that is called by this name. */
async function statusFor(host: string, port: string): Promise<number | undefined> {
  const headers = { host, 'content-type': 'application/json', authorization: `Bearer ${masterKey}` }
  const asked = request({ host: '127.0.0.1', port, path: '/mcp', method: 'POST', headers, agent: false })
  asked.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }))
  const [response] = await once(asked, 'response')
  response.resume()
  return response.statusCode
}

describe('the names under which MCP is spoken', () => {
  for (const [listens, environment, argument, status] of [
    ['to a network', { HOST: '127.0.0.1' }, '0.0.0.0', 200],
    ['on loopback alone', { HOST: '0.0.0.0' }, '127.0.0.1', 403],
  ] as const) {
    verifies('mcp:origin', `are those of a gateway that --host has listening ${listens}`, async () => {
      const config = place.write('config.yaml', '{}')
      await using gateway = place.startGateway({
        config,
        argv: ['--host', argument],
        environment: { ...environment, LITELLM_MASTER_KEY: masterKey },
      })
      const { port } = new URL(await gateway.listening())
      expect(await statusFor('gateway.example.com', port)).toBe(status)
      expect(await statusFor('localhost', port)).toBe(200)
    })
  }
})
