import { noGrants } from '@toolgate/core'
import type { ObjectPermission } from '@toolgate/db'
import { describe, expect, it } from 'vitest'
import { type DefaultAccess, grantsOf } from './grants.ts'

const grants = (objectPermission: ObjectPermission | null, defaultAccess: DefaultAccess = 'none') =>
  grantsOf({ objectPermission, models: [], allowedRoutes: [] }, defaultAccess)

describe('the MCP grants of a key', () => {
  it.each([
    null,
    {},
    { mcp_servers: null, mcp_access_groups: null },
    { mcp_tool_permissions: {} },
    { blocked_tools: [] },
  ])('inherit the default where nothing was said: %j', (permission) => {
    expect(grants(permission, 'none')).toEqual(noGrants)
    expect(grants(permission, 'all')).toEqual({ ...noGrants, allServers: true })
  })

  it.each([
    { mcp_servers: [] },
    { mcp_access_groups: [] },
    { mcp_servers: ['git'] },
    { mcp_access_groups: ['dev'] },
    { mcp_tool_permissions: { git: ['log'] } },
    { mcp_toolsets: ['daily'] },
  ])('do not inherit it where something was said: %j', (permission) => {
    expect(grants(permission, 'all').allServers).toBe(false)
    expect(grants(permission, 'all')).toEqual(grants(permission, 'none'))
  })

  it('hold servers, groups, tools per server and blocked tools as they were written', () => {
    const permission = {
      mcp_servers: ['git', 'id-1'],
      mcp_access_groups: ['dev'],
      mcp_tool_permissions: { wiki: ['read'] },
      mcp_toolsets: ['daily'],
      blocked_tools: ['drop'],
    }
    expect(grants(permission)).toEqual({
      ...noGrants,
      servers: new Set(['git', 'id-1']),
      accessGroups: new Set(['dev']),
      toolsByServer: new Map([['wiki', new Set(['read'])]]),
      toolsets: new Set(['daily']),
      blockedTools: new Set(['drop']),
    })
  })

  it('are none with no-mcp-servers, whatever else is listed', () => {
    const permission = {
      mcp_servers: ['no-mcp-servers', 'all-proxy-mcpservers', 'git'],
      mcp_access_groups: ['dev'],
      mcp_tool_permissions: { git: ['log'] },
      mcp_toolsets: ['daily'],
    }
    expect(grants(permission, 'all')).toEqual({ ...noGrants, noServers: true })
  })

  it('are every server with all-proxy-mcpservers, and nothing of a team that is not there', () => {
    expect(grants({ mcp_servers: ['all-proxy-mcpservers'] })).toEqual({ ...noGrants, allServers: true })
    expect(grants({ mcp_servers: ['all-team-mcpservers'] }, 'all')).toEqual(noGrants)
  })
})

describe('the models of a key', () => {
  const models = (names: string[]) =>
    grantsOf({ objectPermission: null, models: names, allowedRoutes: [] }, 'none').models

  it('are every model where none is listed or all-proxy-models is', () => {
    expect(models([])).toEqual(new Set())
    expect(models(['small', 'all-proxy-models'])).toEqual(new Set())
  })

  it('are those listed, and none with no-default-models', () => {
    expect(models(['small', 'openai/*'])).toEqual(new Set(['small', 'openai/*']))
    expect(models(['no-default-models']).size).toBe(1)
  })
})

describe('the routes of a key', () => {
  const routes = (allowedRoutes: unknown[]) =>
    grantsOf({ objectPermission: null, models: [], allowedRoutes }, 'none').routes

  it('are those listed, and every route where none is', () => {
    expect(routes(['mcp_routes', '/v1/*'])).toEqual(new Set(['mcp_routes', '/v1/*']))
    expect(routes([])).toEqual(new Set())
  })

  it('are never every route because of an entry that is no text', () => {
    expect(routes([{ path: '/v1' }]).size).toBe(1)
  })
})
