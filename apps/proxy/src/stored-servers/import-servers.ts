/** Imports a client's file entry by entry: each is made whole or not at all, and one that cannot be hides no other. */
import { type GatewayError, toGatewayError } from '@toolgate/core'
import { z } from 'zod'
import type { ServerAdmin } from './admin.ts'
import { type ImportEntry, type ImportServers, readImport } from './import-file.ts'

export interface ImportReport {
  readonly created: number
  readonly failed: number
  readonly skipped: number
  readonly results: readonly ImportResult[]
}

export interface ImportResult {
  /** As the file spells it. */
  readonly name: string
  readonly status: 'created' | 'failed' | 'skipped'
  readonly server_id?: string
  readonly server_name?: string
  readonly error?: string
  /** What was open in the entry, as it stands there. */
  readonly placeholders?: readonly string[]
  readonly warnings?: readonly string[]
}

export async function importServers(
  request: ImportServers,
  { create, actor }: { create: ServerAdmin['create']; actor: string },
): Promise<ImportReport> {
  const results: ImportResult[] = []
  for (const entry of readImport(request)) results.push(await importOne(entry, (body) => create(body, actor)))
  const count = (wanted: ImportResult['status']) => results.filter(({ status }) => status === wanted).length
  return { created: count('created'), failed: count('failed'), skipped: count('skipped'), results }
}

async function importOne(
  { name, request, placeholders, problem, warnings, isSkipped }: ImportEntry,
  create: (body: object) => ReturnType<ServerAdmin['create']>,
): Promise<ImportResult> {
  if (isSkipped) return { name, status: 'skipped', warnings: ['disabled is true: it is not imported.'] }
  if (request === undefined) {
    return { name, status: 'failed', error: problem ?? '', ...(placeholders.length > 0 && { placeholders }) }
  }
  try {
    const { row, warnings: more } = await create(request)
    const all = [...warnings, ...more]
    return {
      name,
      status: 'created',
      server_id: row.id,
      server_name: row.name,
      ...(all.length > 0 && { warnings: all }),
    }
  } catch (error) {
    // Also where the store is away: what was imported before is to be told.
    return { name, status: 'failed', error: messageOf(toGatewayError(error)) }
  }
}

function messageOf(error: GatewayError): string {
  const { issues } = error.details
  if (!Array.isArray(issues)) return error.message
  return issues.map(sentenceOf).join(' ')
}

const issueShape = z.object({ loc: z.array(z.string()), msg: z.string() })

function sentenceOf(issue: unknown): string {
  const { loc, msg } = issueShape.parse(issue)
  return `${loc.slice(1).join('.')}: ${msg}`
}
