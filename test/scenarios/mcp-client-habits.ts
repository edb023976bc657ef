import type { JsonObject } from '@toolgate/core'

export interface ClientHabit {
  readonly initialize: JsonObject
  readonly headers?: Readonly<Record<string, string>>
  /** Asks `server/discover` of 2026-07-28 first. */
  readonly probes?: boolean
  /** Opens a stream before there is a session. */
  readonly getsBefore?: boolean
}

const hello = (protocolVersion: string, name: string, capabilities: JsonObject = {}): JsonObject => ({
  protocolVersion,
  capabilities,
  clientInfo: { name, version: '1' },
})

/** How clients were seen to begin, with their headers. */
export const clientHabits: Readonly<Record<string, ClientHabit>> = {
  'Claude Code': {
    initialize: hello('2025-11-25', 'claude-code', {
      roots: { listChanged: true },
      elicitation: { form: {}, url: {} },
    }),
    headers: { 'user-agent': 'claude-code/2.1.329 (sdk-cli)' },
    probes: true,
  },
  Codex: {
    initialize: hello('2025-06-18', 'codex-mcp-client', { elicitation: {} }),
    headers: { accept: 'text/event-stream, application/json' },
  },
  'Gemini CLI': { initialize: hello('2025-06-18', 'gemini-cli-mcp-client', { roots: { listChanged: true } }) },
  'OpenAI Agents SDK': { initialize: hello('2025-11-25', 'gw'), probes: true },
  'AI SDK': {
    initialize: hello('2025-11-25', 'ai-sdk-mcp-client'),
    headers: { 'mcp-protocol-version': '2025-11-25', 'user-agent': 'ai-sdk/2.0.99' },
    probes: true,
    getsBefore: true,
  },
  LangChain: { initialize: hello('2025-11-25', '@langchain/mcp-adapters') },
  'mcp-remote': {
    initialize: hello('2025-11-25', 'mcp-remote-fallback-test'),
    headers: { 'mcp-method': 'initialize' },
    getsBefore: true,
  },
  'MCP Inspector': {
    initialize: hello('2025-11-25', 'inspector-cli', { roots: {}, extensions: { tasks: {} } }),
  },
  'VS Code': {
    initialize: hello('2025-06-18', 'Visual Studio Code', { roots: { listChanged: true } }),
    headers: { accept: 'text/event-stream, application/json' },
  },
  'a client of the first version': { initialize: hello('2024-11-05', 'old') },
}
