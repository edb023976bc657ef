import type { NewCallRow } from '@toolgate/db'

/** One finished call as the ledger keeps it: who, through which door, what, where, how it ended. Holds no content. */
export type LedgerRow = Readonly<NewCallRow>
