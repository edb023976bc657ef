import { createPostgresKeySpendStore } from '@toolgate/auth'
import { createKeyLimiter, createKeySpend, type KeySpend, type Limiting } from '@toolgate/policies'
import type { Foundation } from '../foundation.ts'

export interface LimitsPart extends Limiting {
  readonly spend: KeySpend
}

export function composeLimits({ database, clock, log }: Foundation): LimitsPart {
  if (database.kind === 'postgres') {
    log.info({}, 'limits of keys per minute and at a time are counted by this process alone; budgets are shared')
  }
  return {
    limiter: createKeyLimiter(clock),
    spend: createKeySpend({ store: createPostgresKeySpendStore(database, clock), clock, log }),
  }
}
