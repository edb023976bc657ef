/**
 * Drizzle on top of {@link QueryRunner}. Drizzle's own session for PGlite takes PGlite itself, hands it functions, which
 * cannot pass to another thread, and would load PGlite on this one.
 */
import { type EmptyRelations, NoopLogger, type Query, sql } from 'drizzle-orm'
import {
  PgAsyncDatabase,
  PgAsyncPreparedQuery,
  PgAsyncSession,
  PgAsyncTransaction,
  PgDialect,
  type PgQueryResultHKT,
  type PgTransactionConfig,
  type PreparedQueryConfig,
} from 'drizzle-orm/pg-core'
import { pgliteCodecs } from 'drizzle-orm/pglite/codecs'
import type { Queries } from './database.ts'
import type { Statement } from './pglite-messages.ts'

export interface QueryRunner {
  query(statement: Statement): Promise<QueryResult>
}

export interface QueryResult {
  readonly rows: readonly unknown[]
  readonly affectedRows: number | undefined
}

export interface TransactionRunner extends QueryRunner {
  /** Commits when `work` resolves, rolls back when it rejects. */
  transaction<Result>(work: (runner: QueryRunner) => Promise<Result>): Promise<Result>
}

const noRelations: EmptyRelations = {}
const logger = new NoopLogger()

type Mode = 'arrays' | 'objects' | 'raw'
type PrepareArguments = [query: Query, mode: Mode, name: string | boolean, mapper?: (rows: unknown[]) => unknown]

export function createQueries(runner: TransactionRunner): Queries {
  const dialect = new PgDialect({ codecs: pgliteCodecs })
  return new PgAsyncDatabase(
    dialect,
    new EmbeddedSession(dialect, runner, (work) => runner.transaction(work)),
    noRelations,
  )
}

class EmbeddedSession extends PgAsyncSession {
  readonly #runner: QueryRunner
  readonly #begin: TransactionRunner['transaction']

  constructor(dialect: PgDialect, runner: QueryRunner, begin: TransactionRunner['transaction']) {
    super(dialect)
    this.#runner = runner
    this.#begin = begin
  }

  override prepareQuery<Config extends PreparedQueryConfig = PreparedQueryConfig>(
    ...[query, mode, , mapper]: PrepareArguments
  ): PgAsyncPreparedQuery<Config> {
    const execute = async (params: readonly unknown[] = []) => {
      const rowMode = mode === 'arrays' ? 'array' : 'object'
      const result = await this.#runner.query({ sql: query.sql, params, rowMode })
      return mode === 'raw' ? result : result.rows
    }
    return new PgAsyncPreparedQuery(execute, query, mapper, mode, logger, undefined, undefined, undefined, undefined)
  }

  override transaction<Result>(
    work: (transaction: EmbeddedTransaction) => Promise<Result>,
    config?: PgTransactionConfig,
  ): Promise<Result> {
    return this.#begin(async (runner) => {
      const session = new EmbeddedSession(this.dialect, runner, this.#begin)
      const transaction = new EmbeddedTransaction(this.dialect, session, 0)
      if (config !== undefined) await transaction.setTransaction(config)
      return work(transaction)
    })
  }
}

class EmbeddedTransaction extends PgAsyncTransaction<PgQueryResultHKT> {
  readonly #nest: () => EmbeddedTransaction

  constructor(dialect: PgDialect, session: EmbeddedSession, depth: number) {
    super(dialect, session, noRelations, depth, false)
    this.#nest = () => new EmbeddedTransaction(dialect, session, depth + 1)
  }

  /** One within another is a savepoint. */
  override async transaction<Result>(work: (transaction: EmbeddedTransaction) => Promise<Result>): Promise<Result> {
    const nested = this.#nest()
    const savepoint = sql.identifier(`savepoint_${nested.nestedIndex}`)
    await nested.execute(sql`savepoint ${savepoint}`)
    try {
      const result = await work(nested)
      await nested.execute(sql`release savepoint ${savepoint}`)
      return result
    } catch (error) {
      // Where this fails too the first error says why, and the outer transaction cannot commit.
      await nested.execute(sql`rollback to savepoint ${savepoint}`).catch(() => undefined)
      throw error
    }
  }
}
