/**
 * The `mcpServers` JSON of Claude Desktop, Cursor, Windsurf and Claude Code, and the `servers` of VS Code, as requests for
 * new servers. A placeholder that a client would have filled in is filled from `values`, or reported; an entry with an open
 * one is not imported at all.
 */
import { invalidRequest } from '@toolgate/auth'
import { isJsonObject } from '@toolgate/core'
import { z } from 'zod'

/** `values` fill placeholders by their name: `${API_KEY}`, `${env:API_KEY}`, `${input:api-key}`. */
export const importServersSchema = z.object({
  mcpServers: z.record(z.string(), z.unknown()).optional(),
  servers: z.record(z.string(), z.unknown()).optional(),
  /** VS Code's settings file keeps its servers below this. */
  mcp: z.looseObject({ servers: z.record(z.string(), z.unknown()) }).optional(),
  inputs: z.array(z.unknown()).optional(),
  values: z.record(z.string(), z.string()).optional(),
})

export type ImportServers = z.output<typeof importServersSchema>

export interface ImportEntry {
  /** As it stands in the file. */
  readonly name: string
  /** The request that makes it, or why there is none. */
  readonly request: Readonly<Record<string, unknown>> | undefined
  readonly placeholders: readonly string[]
  readonly problem: string | undefined
  /** The file says that it is switched off. */
  readonly isSkipped: boolean
  readonly warnings: readonly string[]
}

/** Entries of one import. */
const mostEntries = 200

/** Throws `INVALID_REQUEST` where there is nothing to import, or more than the bound. */
export function readImport({ mcpServers, servers, mcp, values = {} }: ImportServers): readonly ImportEntry[] {
  const entries = Object.entries({ ...mcp?.servers, ...servers, ...mcpServers })
  if (entries.length === 0) throw refused('holds no servers: mcpServers, or servers as VS Code writes them, is needed')
  if (entries.length > mostEntries) throw refused(`holds more than ${mostEntries} servers`)
  return entries.map(([name, entry]) => readEntry(name, entry, values))
}

function refused(message: string) {
  return invalidRequest([{ path: ['mcpServers'], message, code: 'custom' }])
}

const types = new Map([
  ['http', 'http'],
  ['streamable-http', 'http'],
  ['streamableHttp', 'http'],
  ['streamable_http', 'http'],
  ['sse', 'sse'],
  ['stdio', 'stdio'],
])

/** What we read, and what only matters to the client the file is from. */
const taken = new Set([
  'type',
  'transport',
  'url',
  'serverUrl',
  'httpUrl',
  'headers',
  'command',
  'args',
  'env',
  'description',
])
const ofTheClient = new Set(['disabled', 'autoApprove', 'alwaysAllow', 'gallery', 'version', 'dev', 'trust', 'timeout'])

function readEntry(name: string, entry: unknown, values: Readonly<Record<string, string>>): ImportEntry {
  const failed = (problem: string) => ({
    name,
    request: undefined,
    placeholders: [],
    problem,
    warnings: [],
    isSkipped: false,
  })
  if (!isJsonObject(entry)) return failed('must be a map')
  const open = new Set<string>()
  if (entry['disabled'] === true) return { ...failed(''), isSkipped: true }
  const filled = fill(entry, { values, open })
  if (!isJsonObject(filled)) return failed('must be a map')
  if (open.size > 0) {
    const placeholders = [...open].toSorted()
    return { ...failed('needs values for its placeholders'), placeholders }
  }
  const { type, transport = type, url, serverUrl, httpUrl, headers, command, args, env, description } = filled
  const known = typeof transport === 'string' ? types.get(transport) : undefined
  if (transport !== undefined && known === undefined) return failed('type must be one of http, sse, stdio')
  const address = url ?? serverUrl ?? httpUrl
  const request = {
    server_name: name.trim().replaceAll(/[^A-Za-z0-9_.-]+/g, '_'),
    transport: known ?? (command === undefined ? 'http' : 'stdio'),
    ...(address !== undefined && { url: address }),
    ...(headers !== undefined && { static_headers: headers }),
    ...(command !== undefined && { command, ...(args !== undefined && { args }) }),
    ...(env !== undefined && { env }),
    ...(description !== undefined && { description }),
  }
  return {
    name,
    request,
    placeholders: [],
    problem: undefined,
    isSkipped: false,
    warnings: warningsFor(name, filled, request.server_name),
  }
}

function warningsFor(name: string, entry: object, serverName: string): readonly string[] {
  const unread = Object.keys(entry).filter((key) => !taken.has(key))
  return [
    ...unread.map(
      (key) => `${key} ${ofTheClient.has(key) ? 'is a setting of the client' : 'is not known'}; it is ignored.`,
    ),
    ...(serverName === name ? [] : [`It is called ${serverName} here: names hold letters, digits, and _ . -`]),
  ]
}

const placeholder = /\$\{(?:(?:env|input):)?([^{}]+?)(?::-([^{}]*))?\}/g

function fill(value: unknown, state: { values: Readonly<Record<string, string>>; open: Set<string> }): unknown {
  if (Array.isArray(value)) return value.map((item) => fill(item, state))
  if (isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, state)]))
  }
  if (typeof value !== 'string') return value
  return value.replaceAll(placeholder, (reference: string, name: string, fallback: string | undefined) => {
    const given = (Object.hasOwn(state.values, name) ? state.values[name] : undefined) ?? fallback
    if (given === undefined) state.open.add(reference)
    return given ?? reference
  })
}
