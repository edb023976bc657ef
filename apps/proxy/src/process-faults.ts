/**
 * What nothing in the process handled. A promise that failed is a fault of ours that leaves everything else intact: it is
 * logged with its stack, counted, and the process goes on. An exception that nobody caught may have left anything half done:
 * it is logged, calls under way get a few seconds, and the process ends as failed.
 */
import { systemClock } from '@toolgate/core'
import type { RunningGateway } from './start.ts'

const drainMs = 5_000
/** Beyond draining and closing, for a gateway that is too broken to stop. */
const endMs = 15_000
const failed = 1

export interface FaultWatch {
  /** Set once it runs; until then faults go to standard error, and an exception ends the process. */
  gateway: Pick<RunningGateway, 'log' | 'reportUnhandledRejection' | 'stop'> | undefined
}

export function watchForFaults(): FaultWatch {
  const watch: FaultWatch = { gateway: undefined }
  let ending = false

  process.on('unhandledRejection', (reason) => {
    if (watch.gateway !== undefined) watch.gateway.reportUnhandledRejection(reason)
    else
      process.stderr.write(`A promise failed and nobody handled it. This is a fault of toolgate.\n${textOf(reason)}\n`)
  })

  process.on('uncaughtException', (error) => {
    // Not even written down: what fails while the process ends may be the writing.
    if (ending) return
    ending = true
    process.exitCode = failed
    systemClock.after(endMs, () => process.exit(failed))
    void end(watch, error)
  })

  return watch
}

async function end({ gateway }: FaultWatch, error: unknown): Promise<void> {
  try {
    if (gateway === undefined) process.stderr.write(`${textOf(error)}\n`)
    else gateway.log.error({ err: error }, 'an exception was not caught: this is a fault of toolgate, and it stops')
    await gateway?.stop(drainMs)
  } finally {
    process.exit(failed)
  }
}

function textOf(reason: unknown): string {
  return String(reason instanceof Error ? reason.stack : reason)
}
