import type { JsonRpcNotification } from '@toolgate/core'

/** RFC 5424's, as MCP names them; the least severe first. */
export const logLevels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const

/** Whether a client that wants this level and above is told. One that said nothing hears everything. */
export function isLogged({ method, params }: JsonRpcNotification, wanted: string | undefined): boolean {
  if (method !== 'notifications/message' || wanted === undefined) return true
  const level = rankOf(params?.['level'])
  return level === -1 || level >= rankOf(wanted)
}

function rankOf(level: unknown): number {
  return logLevels.findIndex((known) => known === level)
}
