import type { Clock, JsonRpcRequest, Logger } from '@toolgate/core'
import type { Gateway, Subscriptions } from '@toolgate/manager'
import type { Lifecycle } from '../../../lifecycle.ts'
import type { Answer } from '../answer.ts'
import type { createIntroduction } from '../introduction.ts'
import type { McpExchange } from '../routes.ts'
import { requireAnyServer } from '../view.ts'
import { Listening } from './listening.ts'
import { narrowed, readFilter } from './subscription-filter.ts'

export interface ListenOptions {
  readonly gateway: Gateway
  readonly answer: Answer
  readonly introduce: ReturnType<typeof createIntroduction>
  readonly subscriptions: Subscriptions
  readonly lifecycle: Pick<Lifecycle, 'leaving'>
  readonly clock: Clock
  readonly log: Logger
}

export interface ListenRequest extends McpExchange {
  readonly request: JsonRpcRequest
}

/** Throws a `GatewayError` where there is nothing to open. */
export type Listen = (request: ListenRequest) => Response

/** `subscriptions/listen` (spec 2026-07-28, Subscriptions): what legacy clients hear on the GET stream of their session. */
export function createListen(options: ListenOptions): Listen {
  const { gateway, introduce } = options
  return ({ context, caller, view, request: { id, params = {} } }) => {
    const wanted = readFilter(params)
    requireAnyServer(gateway, caller)
    const { capabilities, serverInfo } = introduce(caller, view)
    const { again: admitAgain } = context.var.admission
    const filter = narrowed(wanted, capabilities)
    return new Listening({ ...options, caller, view, id, serverInfo, filter, admitAgain }).response
  }
}
