/**
 * Advisory locks of this program, so that no two mean the same number. A number is never given to another purpose: replicas
 * of two versions may run side by side.
 */
export const lockNumbers = {
  migrations: 7_106_421_913,
  configKeys: 7_106_421_914,
  keyNames: 7_106_421_915,
  keyRotation: 7_106_421_916,
  storedServers: 7_106_421_920,
  mcpSessions: 7_106_421_940,
  toolDefinitions: 7_106_421_921,
  toolsets: 7_106_421_922,
  oauthClients: 7_106_421_950,
  userTokens: 7_106_421_951,
  orphanedAccounts: 7_106_421_952,
} as const
