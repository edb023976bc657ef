import { noGrants } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { serverOf, worldOf } from './fake-world.fixture.ts'

const server = serverOf({
  id: 'git',
  allowedParams: new Map([
    ['log', new Set(['path', 'limit'])],
    ['git-diff', new Set<string>()],
  ]),
})
const { call } = worldOf({ servers: [server], upstreams: { git: {} } })

it('refuses a forbidden tool also on a server that was never listed', async () => {
  const blocking = { ...noGrants, allServers: true, blockedTools: new Set(['push']) }
  const caller = callerOf({ principal: principalOf({ grants: blocking }) })
  const world = worldOf({ servers: [server], upstreams: { git: {} } })
  await expect(world.call(caller, 'push', { server: 'git' })).rejects.toMatchObject({
    code: 'TARGET_NOT_FOUND',
    message: 'Unknown tool: push',
  })
  expect(world.pool.acquired).toEqual([])
})

describe('allowed_params', () => {
  it('lets the listed arguments through, and any where the tool is not listed', async () => {
    await expect(call(callerOf(), 'git-log', { arguments: { path: '.' } })).resolves.toBeDefined()
    await expect(call(callerOf(), 'git-blame', { arguments: { anything: 1 } })).resolves.toBeDefined()
  })

  it('refuses others in LiteLLM’s words', async () => {
    await expect(
      call(callerOf(), 'git-log', { arguments: { path: '.', author: 'x', since: 1 } }),
    ).rejects.toMatchObject({
      code: 'PARAMETERS_NOT_ALLOWED',
      message:
        "Parameters ['author', 'since'] are not allowed for tool git-log. Allowed parameters: ['path', 'limit']. Contact proxy admin to allow these parameters.",
    })
  })

  it('holds for a tool listed with its prefix, and for one called without', async () => {
    await expect(call(callerOf(), 'diff', { server: 'git', arguments: { a: 1 } })).rejects.toMatchObject({
      code: 'PARAMETERS_NOT_ALLOWED',
    })
  })
})
