import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { ToolEvent } from '../tool-execution.ts'

/**
 * What a client of a chat stream is told about tools while they run, if it asked (`stream_options.include_mcp_progress`):
 * chunks without choices, which SDKs pass over, with `mcp_progress`.
 */
export function toToolProgress(event: ToolEvent): JsonObject {
  const { call, tool } = event
  const about = {
    tool_call_id: call.id,
    name: call.name,
    ...(tool.server !== undefined && { server_name: tool.server.name }),
  }
  if (event.type === 'started') return { type: 'started', ...about }
  if (event.type === 'finished') return { type: 'finished', ...about, is_error: event.failed }
  const { progress, total, message } = event.progress
  return {
    type: 'progress',
    ...about,
    ...(progress !== undefined && { progress }),
    ...(total !== undefined && { total }),
    ...(message !== undefined && { message }),
  }
}

export function wantsToolProgress({ stream_options: options }: JsonObject): boolean {
  return isJsonObject(options) && options['include_mcp_progress'] === true
}
