import type { OutcomeStatus } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { attachTools, type ToolListing } from './tool-attachment.ts'
import type { ToolSelection } from './tool-selection.ts'

const server = { id: 'id-srv', name: 'srv', prefix: 'srv' }
const item = (name: string) => ({
  server,
  publicName: `srv-${name}`,
  definition: { name, description: 'D', inputSchema: { type: 'object' } },
})
const outcome = (status: OutcomeStatus) => ({
  serverId: 'id-srv',
  serverName: 'srv',
  status,
  message: status === 'ok' ? undefined : `it is ${status}`,
})
const listing = (names: string[], status: OutcomeStatus = 'ok'): ToolListing => ({
  items: names.map(item),
  outcomes: [outcome(status)],
})
const selection = (more: Partial<ToolSelection> = {}): ToolSelection => ({ origin: 'entry', headers: {}, ...more })
const attach = (selected: ToolSelection[], found: ToolListing) => attachTools(selected, async () => found)

describe('attaching tools', () => {
  it('offers what was selected, by prefixed or bare name, with its approval', async () => {
    const { tools, outcomes } = await attach(
      [selection({ allowedTools: ['srv-read', 'write'], approval: 'never' })],
      listing(['read', 'write', 'other']),
    )
    expect(tools).toMatchObject([
      { publicName: 'srv-read', functionName: 'srv-read', toolName: 'read', approval: 'never', server },
      { publicName: 'srv-write', toolName: 'write' },
    ])
    expect(outcomes).toEqual([outcome('ok')])
  })

  it('offers a tool once, and with approval if any selection wants it', async () => {
    const selected = [selection({ approval: 'never' }), selection({ approval: 'always' })]
    expect((await attach(selected, listing(['read']))).tools).toMatchObject([{ approval: 'always' }])
  })

  it('fails where a named tool is not there', async () => {
    await expect(attach([selection({ allowedTools: ['nope', 'read'] })], listing(['read']))).rejects.toMatchObject({
      code: 'TOOLS_UNRESOLVED',
      message: 'No such MCP tool for this key: nope.',
    })
  })

  it.each<[OutcomeStatus, string]>([
    ['needs_auth', 'UPSTREAM_SIGN_IN_REQUIRED'],
    ['rejected', 'UPSTREAM_CREDENTIAL_REJECTED'],
    ['timeout', 'UPSTREAM_TIMEOUT'],
    ['unreachable', 'UPSTREAM_UNREACHABLE'],
    ['protocol_error', 'UPSTREAM_PROTOCOL'],
  ])('fails where a named server is %s, naming server and reason', async (status, code) => {
    await expect(attach([selection({ servers: ['srv'] })], listing(['read'], status))).rejects.toMatchObject({
      code,
      message: `These MCP servers are not available (srv: it is ${status}).`,
      details: { server: 'srv' },
    })
  })

  it('goes on with stale lists, and with the healthy ones where none was named', async () => {
    expect((await attach([selection({ servers: ['srv'] })], listing(['read'], 'stale'))).tools).toHaveLength(1)
    const { tools, outcomes } = await attach([selection()], listing(['read'], 'timeout'))
    expect(tools).toHaveLength(1)
    expect(outcomes).toEqual([outcome('timeout')])
  })

  it('of none at all is an error only where the request itself asked', async () => {
    await expect(attach([selection()], listing([]))).rejects.toMatchObject({ code: 'TOOLS_UNRESOLVED' })
    expect(await attach([selection({ origin: 'auto' })], listing([], 'timeout'))).toEqual({
      tools: [],
      outcomes: [outcome('timeout')],
    })
  })
})
