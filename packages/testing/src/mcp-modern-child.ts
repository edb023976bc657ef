import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { modernFixtureServer } from './mcp-server.ts'

/** The process of `modernStdio`: an MCP server that refuses `initialize`. */
serveStdio(modernFixtureServer, { legacy: 'reject' })
