import { createOutbound, silentLogger, systemClock } from '@toolgate/core'
import { createChildProcesses } from '@toolgate/manager'
import { readEnvironment } from '../config/env.ts'
import { serverOptions } from '../server-options.ts'
import { bindModel } from '../composition/models.ts'
import { runCheck } from './check.ts'

/** `config check` with the plugs that a start would use. Prints to standard output; returns the exit code. */
export function checkConfiguration(file: string): 0 | 1 {
  const environment = readEnvironment()
  const outbound = createOutbound()
  return runCheck(file, {
    environment,
    servers: serverOptions({
      loaded: { environment },
      outbound,
      guardedOutbound: outbound,
      clock: systemClock,
      log: silentLogger,
      // Nothing is started.
      children: createChildProcesses({ log: silentLogger }),
    }),
    bindModel: bindModel({ environment }),
    write: (line) => void process.stdout.write(`${line}\n`),
  })
}
