import { GatewayError } from '@toolgate/core'
import { calls, type Database, databaseErrorCode, type NewCallRow, uniqueViolation } from '@toolgate/db'
import { getColumns, sql } from 'drizzle-orm'
import type { LedgerStore } from './batch-writer.ts'
import type { LedgerRow } from './ledger-row.ts'

/**
 * The ledger in table `calls`. A batch is copied where the database can do that, which costs the embedded one half of an
 * insert. An insert has one parameter, JSON under the names of our fields, which Postgres takes apart: a list of values costs
 * it twice the time, and the names of the columns the thread of the requests. Rows that came twice are there once. What Postgres could not hold is cut to what it can: one row that is refused
 * for its content would hold up all others for ever.
 */
export function createPostgresLedgerStore({ db, copyIn }: Pick<Database, 'db' | 'copyIn'>): LedgerStore {
  const insert = async (rows: readonly NewCallRow[]) => {
    await db.execute(
      sql`insert into ${calls} (${names}) select ${fields} from json_to_recordset(${JSON.stringify(rows)}::text::json) as record (${typedFields}) on conflict do nothing`,
    )
  }

  const copyOrInsert = async (rows: readonly NewCallRow[], copy: NonNullable<typeof copyIn>) => {
    try {
      await copy(calls, rows)
    } catch (error) {
      if (uniqueViolation(error) === undefined) throw error
      // Some of them were written by an attempt whose answer was late or lost.
      await insert(rows)
    }
  }

  return {
    // The drivers cannot take a statement back; the writer stops waiting and the late rows conflict with themselves.
    async append(rows) {
      try {
        const storableRows = rows.map(toCallRow)
        await (copyIn === undefined ? insert(storableRows) : copyOrInsert(storableRows, copyIn))
      } catch (error) {
        // Without the driver's error as cause: its message holds the statement with all its rows.
        throw new GatewayError('STORE_UNAVAILABLE', 'The ledger cannot be written.', {
          internal: `database error ${databaseErrorCode(error) ?? 'without a code'}`,
        })
      }
    },
  }
}

const columns = Object.entries(getColumns(calls))
const names = listOf(columns.map(([, { name }]) => `"${name}"`))
const fields = listOf(columns.map(([field]) => `"${field}"`))
const typedFields = listOf(columns.map(([field, column]) => `"${field}" ${column.getSQLType()}`))

/** For names of the schema only: what came from outside is a parameter. */
function listOf(parts: readonly string[]) {
  return sql.raw(parts.join(', '))
}

function toCallRow(row: LedgerRow): NewCallRow {
  return {
    ...row,
    principalId: readable(row.principalId),
    keyAlias: row.keyAlias && readable(row.keyAlias),
    userId: row.userId && readable(row.userId),
    teamId: row.teamId && readable(row.teamId),
    client: row.client && readable(row.client),
    requestId: storable(row.requestId),
    method: storable(row.method),
    publicName: row.publicName && storable(row.publicName),
    targetName: row.targetName && storable(row.targetName),
    model: row.model && storable(row.model),
    round: countable(row.round),
    promptTokens: countable(row.promptTokens),
    completionTokens: countable(row.completionTokens),
    attempts: countable(row.attempts),
  }
}

const maxTextLength = 512

/** For what a caller may have chosen: bounded, and readable. */
function storable(text: string): string {
  return readable(text.length <= maxTextLength ? text : text.slice(0, maxTextLength))
}

/** Well-formed, and without NUL, which no Postgres text can hold: who calls may have a name from elsewhere. */
function readable(text: string): string {
  return text.isWellFormed() && !text.includes('\0') ? text : text.replaceAll('\0', '').toWellFormed()
}

const maxInteger = 2 ** 31 - 1

/** For what a provider may have said: within a Postgres integer, else not known. */
function countable(value: number | null | undefined): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxInteger ? value : undefined
}
