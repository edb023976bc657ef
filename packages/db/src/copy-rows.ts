/** Rows in the text format of `copy` (Postgres manual, COPY, "Text Format"): the cheapest way into the embedded database. */
import { getColumns, getTableName } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'

/** Under the names of the fields; a field that is absent is null. Objects are JSON. Text holds no NUL. */
export type CopyRow = Readonly<Record<string, string | number | boolean | object | null | undefined>>

/** What puts rows into this table out of the file that PGlite reads its input from. */
export function createCopy(table: PgTable): {
  readonly sql: string
  readonly write: (rows: readonly CopyRow[]) => string
} {
  const columns = getColumns(table)
  const fields = Object.keys(columns)
  const names = Object.values(columns).map(({ name }) => `"${name}"`)
  const line = (row: CopyRow) => {
    let text = ''
    for (const field of fields) text += `${textOf(row[field])}\t`
    return `${text.slice(0, -1)}\n`
  }
  return {
    sql: `copy "${getTableName(table)}" (${names.join(', ')}) from '/dev/blob'`,
    write: (rows) => rows.map(line).join(''),
  }
}

const special = /[\\\t\n\r]/
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

const absent = '\\N'

function textOf(value: CopyRow[string]): string {
  if (value === undefined || value === null) return absent
  if (typeof value === 'string') return special.test(value) ? escaped(value) : value
  if (typeof value === 'number') return String(value)
  return value instanceof Date ? value.toISOString() : escaped(JSON.stringify(value))
}

function escaped(text: string): string {
  return text.replaceAll(/[\\\t\n\r]/g, (character) => escapes[character] ?? character)
}
