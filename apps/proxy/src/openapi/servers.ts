import { z } from 'zod'
import type { Operation } from './operation.ts'
import { toolChangesQuery, toolDecision } from '../routes/mcp-tool-changes.ts'
import { explainQuery } from '../routes/mcp-explain.ts'
import { grantsQuery } from '../routes/oauth/grants.ts'
import { userCredential } from '../routes/mcp-user-credentials.ts'
import { userKey, userVariables } from '../routes/mcp-user-secrets.ts'
import { changedToolset, newToolset } from '../routes/mcp-toolsets.ts'
import { importServersSchema } from '../stored-servers/import-file.ts'
import { newServerSchema, updateServerSchema } from '../stored-servers/server-request.ts'

const oneServer = z.object({ server_id: z.string() })
const oneToolset = z.object({ toolset_id: z.string() })

/** The routes of `/v1/mcp` and of the preview. */
export const serverOperations: Readonly<Record<string, Operation>> = {
  'GET /v1/mcp/server': {
    summary: 'Servers the key may use; for administrators also stored ones that are set aside',
    query: z.object({ team_id: z.string().optional() }),
  },
  'POST /v1/mcp/server': { summary: 'Store a server', body: newServerSchema },
  'PUT /v1/mcp/server': { summary: 'Change a stored server; what is left out stays', body: updateServerSchema },
  'POST /v1/mcp/server/import': {
    summary: 'Store the servers of a client’s configuration, each whole or not at all',
    body: importServersSchema,
  },
  'GET /v1/mcp/server/health': {
    summary: 'Probe servers now',
    query: z.object({ server_ids: z.union([z.string(), z.array(z.string())]).optional() }),
  },
  'GET /v1/mcp/server/{server_id}': { summary: 'One server by id, name or alias, probed now', path: oneServer },
  'DELETE /v1/mcp/server/{server_id}': { summary: 'Delete a stored server', path: oneServer },
  'POST /v1/mcp/server/{server_id}/refresh': { summary: 'Read the lists of a server again', path: oneServer },
  'GET /v1/mcp/server/{server_id}/versions': { summary: 'What changed in the lists of a server', path: oneServer },
  'GET /v1/mcp/tool-changes': {
    summary: 'Definitions of tools of pinned servers that wait for approval, with what changed',
    query: toolChangesQuery,
  },
  'GET /v1/mcp/server/{server_id}/tool-changes': {
    summary: 'The same of one server',
    path: oneServer,
    query: toolChangesQuery,
  },
  'POST /v1/mcp/server/{server_id}/tool-changes/approve': {
    summary: 'Approve definitions of tools, or all that are pending',
    path: oneServer,
    body: toolDecision,
  },
  'POST /v1/mcp/server/{server_id}/tool-changes/reject': {
    summary: 'Reject definitions of tools, or all that are pending',
    path: oneServer,
    body: toolDecision,
  },
  'GET /v1/mcp/user-credentials': { summary: 'Servers at which the key has tokens of its own' },
  'GET /v1/mcp/server/{server_id}/oauth-user-credential/status': {
    summary: 'Whether the key has tokens at a server, and how they are',
    path: oneServer,
  },
  'POST /v1/mcp/server/{server_id}/oauth-user-credential': {
    summary: 'Keep tokens that the user has got elsewhere',
    path: oneServer,
    body: userCredential,
  },
  'DELETE /v1/mcp/server/{server_id}/oauth-user-credential': { summary: 'Forget them', path: oneServer },
  'POST /v1/mcp/server/{server_id}/user-credential': {
    summary: 'Keep the key of its own that the user has at a server',
    path: oneServer,
    body: userKey,
  },
  'DELETE /v1/mcp/server/{server_id}/user-credential': { summary: 'Forget it', path: oneServer },
  'GET /v1/mcp/server/{server_id}/user-env-vars': {
    summary: 'Which variables of a server the user has set, and which not',
    path: oneServer,
  },
  'POST /v1/mcp/server/{server_id}/user-env-vars': {
    summary: 'Set variables of a server; what is left out stays, null clears',
    path: oneServer,
    body: userVariables,
  },
  'DELETE /v1/mcp/server/{server_id}/user-env-vars': { summary: 'Forget them all', path: oneServer },
  'GET /v1/mcp/user-env-vars/status': { summary: 'The same of every server that declares variables of users' },
  'GET /v1/mcp/oauth/grants': {
    summary: 'MCP clients that a key let in; for administrators of everybody',
    query: grantsQuery,
  },
  'DELETE /v1/mcp/oauth/grants/{grant_id}': {
    summary: 'End a grant with all of its tokens',
    path: z.object({ grant_id: z.string() }),
  },
  'GET /v1/mcp/toolset': { summary: 'Toolsets that the key was granted; for administrators all' },
  'POST /v1/mcp/toolset': { summary: 'Store a named set of tools of any servers', body: newToolset },
  'PUT /v1/mcp/toolset': { summary: 'Change a toolset; what is left out stays', body: changedToolset },
  'GET /v1/mcp/toolset/{toolset_id}': { summary: 'One toolset by id or name', path: oneToolset },
  'DELETE /v1/mcp/toolset/{toolset_id}': { summary: 'Delete a toolset', path: oneToolset },
  'GET /v1/mcp/access_groups': { summary: 'Access groups of the servers the key may use' },
  'GET /v1/mcp/network/client-ip': { summary: 'The address the request came from' },
  'GET /v1/mcp/explain': {
    summary: 'Which rule grants or denies a server or tool to a key, and which credential is presented there',
    query: explainQuery,
  },
  'GET /v1/mcp/tools': { summary: 'Tools under their public names' },
  'POST /mcp-rest/test/connection': { summary: 'Try a server out, storing nothing', body: newServerSchema },
  'POST /mcp-rest/test/tools/list': { summary: 'List the tools of a server, storing nothing', body: newServerSchema },
}
