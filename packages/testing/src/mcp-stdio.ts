import { join } from 'node:path'
import process from 'node:process'

/** Settings of the `stdio` transport. */
export interface ScriptedStdio {
  readonly command: string
  readonly args: readonly string[]
}

/** A process of protocol version 2026-07-28 alone, with the tools of `mcp-server.ts`. */
export const modernStdio: ScriptedStdio = {
  command: process.execPath,
  args: [join(import.meta.dirname, 'mcp-modern-child.ts')],
}

/**
 * An MCP server over stdio that runs a script: `say` writes one message, `answer` a result, and the script's own `asked` is called
 * with every message but `initialize`. Whatever a child must never do, it does when told.
 */
export function scriptedStdio(script: string): ScriptedStdio {
  const prelude = `
    const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
    const answer = ({ id }, result = {}) => say({ id, result })
    let hello = (message) => answer(message, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 's' } })
    const input = require('node:readline').createInterface({ input: process.stdin })
    input.on('line', (line) => {
      const message = JSON.parse(line)
      if (message.method === 'initialize') return hello(message)
      asked(message)
    })`
  return { command: process.execPath, args: ['-e', `${prelude}\n${script}`] }
}

/**
 * The end of a script: the server ignores the end of its input and SIGTERM, and so does a child that it starts. What is left
 * of it was killed, or is still there. Both write their process ids on standard error.
 */
export const immortal = `
  process.on('SIGTERM', () => {})
  input.on('close', () => {})
  setInterval(() => {}, 1000)
  const grandchild = require('node:child_process').spawn(
    process.execPath,
    ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.error("grandchild " + process.pid)'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  console.error('child ' + process.pid)`
