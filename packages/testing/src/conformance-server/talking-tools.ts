import { setTimeout as pause } from 'node:timers/promises'
import { type FixtureTool, takes, text } from './fixture-tool.ts'

/** The suite wants to see single messages arrive. */
const betweenMessagesMs = 50

/** Tools that say something before they answer: logs, progress, a stream that breaks off. */
export const talkingTools: readonly FixtureTool[] = [
  {
    name: 'test_tool_with_logging',
    description: 'Logs three times.',
    inputSchema: takes({}),
    async run({ context }) {
      for (const message of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await context.mcpReq.log('info', message)
        await pause(betweenMessagesMs)
      }
      return text('Logged three times.')
    },
  },
  {
    name: 'test_logging_tool',
    description: 'Logs once, for those who asked for logs.',
    inputSchema: takes({}),
    async run({ context }) {
      await context.mcpReq.log('info', 'Logged on request')
      return text('Logged once.')
    },
  },
  {
    name: 'test_tool_with_progress',
    description: 'Reports progress three times.',
    inputSchema: takes({}),
    async run({ context: { mcpReq } }) {
      const progressToken = mcpReq._meta?.progressToken
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 100, message: `${progress} of 100` }
          await mcpReq.notify({ method: 'notifications/progress', params })
        }
        await pause(betweenMessagesMs)
      }
      return text(`Progress reported to ${JSON.stringify(progressToken)}.`)
    },
  },
  {
    name: 'test_wait',
    description: 'Reports progress once, then ends only when it is cancelled.',
    inputSchema: takes({}),
    async run({ context: { mcpReq } }) {
      const progressToken = mcpReq._meta?.progressToken
      if (progressToken !== undefined) {
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1 } })
      }
      await new Promise((resolve) => mcpReq.signal.addEventListener('abort', resolve, { once: true }))
      return text('cancelled')
    },
  },
  {
    name: 'test_reconnection',
    description: 'Closes its stream before it answers.',
    inputSchema: takes({}),
    async run({ context }) {
      await pause(betweenMessagesMs)
      context.http?.closeSSE?.()
      await pause(betweenMessagesMs)
      return text('Answered after the stream was closed.')
    },
  },
]
