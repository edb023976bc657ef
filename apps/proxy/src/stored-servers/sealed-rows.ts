/**
 * Between a row and what it means: the secret parts of a server are sealed as one JSON document, in an order that says
 * nothing, under the key whose id is in the header of every value, and for this server: in another row it does not open.
 */
import { isJsonObject, Secret } from '@toolgate/core'
import type { McpServerRow } from '@toolgate/db'
import { isSecretValue, joinSecrets, partKey, type SecretPart, type SecretValue, type Settings } from './secrets.ts'

/** Seals and opens texts; the `Sealer` of the gateway fits. */
export interface Seal {
  seal(plaintext: Secret, subject: string): Promise<string>
  open(sealed: string, subject: string): Promise<Secret>
}

/** A server as it was declared, secrets and all: never to be logged or answered. */
export interface OpenedServer {
  readonly id: string
  readonly name: string
  readonly alias: string | null
  readonly settings: Settings
  /** By `partKey`. */
  readonly secrets: ReadonlyMap<string, SecretValue>
}

/** Rejects as the sealer does, where the key is another or the value was altered. */
export async function openRow(row: McpServerRow, { open }: Seal): Promise<OpenedServer> {
  const { id, name, alias, settings, sealedSecrets } = row
  const secrets =
    sealedSecrets === null ? new Map<string, SecretValue>() : parseSecrets(await open(sealedSecrets, subjectOf(id)))
  return { id, name, alias, settings: joinSecrets(settings, secrets), secrets }
}

/** Null where there is nothing to seal. */
export async function sealParts(id: string, parts: readonly SecretPart[], { seal }: Seal): Promise<string | null> {
  if (parts.length === 0) return null
  const document = Object.fromEntries(parts.map(({ path, value }) => [partKey(path), value]))
  return seal(new Secret(JSON.stringify(document)), subjectOf(id))
}

function subjectOf(id: string): string {
  return `mcp_servers:${id}`
}

function parseSecrets(document: Secret): ReadonlyMap<string, SecretValue> {
  const parsed: unknown = JSON.parse(document.reveal())
  const entries = Object.entries(isJsonObject(parsed) ? parsed : {})
  return new Map(entries.flatMap(([key, value]) => (isSecretValue(value) ? [[key, value] as const] : [])))
}
