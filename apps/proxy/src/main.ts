import { resolve } from 'node:path'
import { GatewayError } from '@toolgate/core'
import { helpText } from './cli/help.ts'
import { type Command, parseArguments } from './cli/parse-arguments.ts'
import { checkConfiguration } from './cli/check-command.ts'
import { rotateStoredSecrets } from './cli/rotate-encryption.ts'
import { readEnvironment } from './config/env.ts'
import { hangUpDetector } from './hang-up.ts'
import { watchForFaults } from './process-faults.ts'
import { type RunningGateway, startGateway } from './start.ts'
import { version } from './version.ts'

/** The process: reads its arguments, starts the gateway, reloads and stops it on signals, survives or reports its own faults. */
const defaultConfigFile = resolve(import.meta.dirname, '../../../config.yaml')

const exitCodes = { done: 0, failed: 1, invalidArguments: 2, interrupted: 130 } as const

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help':
      return say(helpText)
    case 'version':
      return say(`${version}\n`)
    case 'invalid':
      process.stderr.write(`${command.message}\n`)
      process.exitCode = exitCodes.invalidArguments
      return
    case 'check':
      process.exitCode = checkConfiguration(command.config ?? readEnvironment().configFile ?? defaultConfigFile)
      return
    case 'rotate-encryption':
      process.exitCode = await rotateStoredSecrets(command, defaultConfigFile, say)
      return
    case 'start': {
      const starting = startGateway(command, defaultConfigFile)
      // From here on: as the first process of a container it would otherwise not hear a signal while it starts.
      actOnSignals(starting)
      const gateway = await starting
      faults.gateway = gateway
      say(gateway.banner)
    }
  }
}

function say(text: string): void {
  process.stdout.write(text)
}

/**
 * SIGHUP reloads. Of the others the first drains, after the start where that is still under way; the second ends the process
 * at once.
 */
function actOnSignals(starting: Promise<RunningGateway>): void {
  let stopping = false
  const isHangUp = hangUpDetector()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(exitCodes.interrupted)
    stopping = true
    // A start that fails ends the process itself.
    starting.then((gateway) => stop(gateway, signal)).catch(fail)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  process.on('SIGHUP', (signal) => {
    if (isHangUp()) {
      // The kernel and the shell each send one; they mean the same, and not "at once".
      if (!stopping) onSignal(signal)
      return
    }
    // A start that fails ends the process itself.
    starting.then((gateway) => gateway.reload('signal')).catch(fail)
  })
}

async function stop(gateway: RunningGateway, signal: NodeJS.Signals): Promise<void> {
  gateway.log.info({ signal }, 'stopping')
  await gateway.stop()
  process.exit(exitCodes.done)
}

/** What an operator can act on is one clear line; anything else is a fault of ours and shows where. */
function fail(error: unknown): void {
  process.stderr.write(
    error instanceof GatewayError ? `${error.message}\n` : `${String(error instanceof Error ? error.stack : error)}\n`,
  )
  process.exit(exitCodes.failed)
}

const faults = watchForFaults()
// Who cannot be told loses the banner and not the gateway: the disk under it is full, or the terminal is gone.
process.stdout.on('error', () => {})

try {
  await run(parseArguments(process.argv.slice(2)))
} catch (error) {
  fail(error)
}
