import { resolve } from 'node:path'
import { GatewayError, type Logger } from '@toolgate/core'
import { helpText } from './cli/help.ts'
import { type Command, parseArguments } from './cli/parse-arguments.ts'
import { checkConfiguration } from './cli/check-command.ts'
import { readEnvironment } from './config/env.ts'
import { startGateway } from './start.ts'
import { version } from './version.ts'

/** The process: reads its arguments, starts the gateway, stops it on a signal. */
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
    case 'start': {
      const gateway = await startGateway(command, defaultConfigFile)
      say(gateway.banner)
      stopOnSignal(gateway)
    }
  }
}

function say(text: string): void {
  process.stdout.write(text)
}

/** The first signal drains; the second ends the process at once. */
function stopOnSignal({ stop, log }: { stop: () => Promise<void>; log: Logger }): void {
  let stopping = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(exitCodes.interrupted)
    stopping = true
    log.info({ signal }, 'stopping')
    stop().then(
      () => process.exit(exitCodes.done),
      (error: unknown) => {
        log.error({ err: error }, 'the stop failed')
        process.exit(exitCodes.failed)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

/** What an operator can act on is one clear line; anything else is a fault of ours and shows where. */
function fail(error: unknown): void {
  process.stderr.write(
    error instanceof GatewayError ? `${error.message}\n` : `${String(error instanceof Error ? error.stack : error)}\n`,
  )
  process.exit(exitCodes.failed)
}

process.on('unhandledRejection', (reason) => {
  process.stderr.write('A promise failed and nobody handled it. This is a fault of toolgate.\n')
  fail(reason)
})

try {
  await run(parseArguments(process.argv.slice(2)))
} catch (error) {
  fail(error)
}
