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
    const texts = fields.map((field) => textOf(row[field]))
    // Hardly any row holds what must be escaped: one look at all of it instead of one at each field.
    const isPlain = !special.test(texts.join(''))
    return (isPlain ? texts.map((text) => text ?? absent) : texts.map(escaped)).join('\t')
  }
  return {
    sql: `copy "${getTableName(table)}" (${names.join(', ')}) from '/dev/blob'`,
    write: (rows) => rows.map((row) => `${line(row)}\n`).join(''),
  }
}

const special = /[\\\t\n\r]/
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

const absent = '\\N'

function textOf(value: CopyRow[string]): string | undefined {
  if (value === undefined || value === null) return undefined
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function escaped(text: string | undefined): string {
  return text?.replaceAll(/[\\\t\n\r]/g, (character) => escapes[character] ?? character) ?? absent
}
