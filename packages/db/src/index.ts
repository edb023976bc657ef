export { changedSince, type ObjectChange, type ObjectChanges } from './changed-since.ts'
export { publish, type StopListening } from './changes.ts'
export type { Database, Queries } from './database.ts'
export { formOfDatabaseUrl, isDatabaseUrl } from './database-url.ts'
export { followChanges, type FollowChangesOptions } from './follow-changes.ts'
export { lockNumbers } from './lock-numbers.ts'
export { migrate } from './migrate.ts'
export { openDatabase } from './open-database.ts'
export { type ChangeRecord, recordChange } from './record-change.ts'
export { type CallRow, calls, type NewCallRow } from './schema/calls.ts'
export { conversationRecords } from './schema/conversation-records.ts'
export { deletedKeys } from './schema/deleted-keys.ts'
export { managementEvents } from './schema/management-events.ts'
export { mcpServers, type McpServerRow, type NewMcpServerRow } from './schema/mcp-servers.ts'
export { mcpSessionMail, type McpSessionRow, mcpSessions, mcpStreamEvents } from './schema/mcp-sessions.ts'
export {
  oauthAccessTokens,
  type OauthCodeRow,
  oauthCodes,
  type OauthGrantRow,
  oauthGrants,
  type SignedInPerson,
} from './schema/oauth-grants.ts'
export { type OauthClientRow, oauthClients } from './schema/oauth-clients.ts'
export { type SealedColumn, sealedColumns, type SealedValue } from './sealed-columns.ts'
export { sealingKeys } from './schema/sealing-keys.ts'
export { type ServerListItemRow, serverListItems, serverLists, serverListVersions } from './schema/server-lists.ts'
export { type ToolDefinitionRow, toolDefinitions } from './schema/tool-definitions.ts'
export { type UserTokenRow, userTokens } from './schema/user-tokens.ts'
export { toolsets, type ToolsetRow, type ToolsetTool } from './schema/toolsets.ts'
export { supersededKeys } from './schema/superseded-keys.ts'
export { type NewVirtualKeyRow, type ObjectPermission, type VirtualKeyRow, virtualKeys } from './schema/virtual-keys.ts'
export { isStorable } from './storable.ts'
export { askStore, databaseErrorCode, storeUnavailable, uniqueViolation, writeStore } from './store-errors.ts'
