/** The command line as data. Reads nothing but its argument and decides nothing: `main.ts` acts on the result. */
import { parseArgs } from 'node:util'

export interface StartOptions {
  readonly config: string | undefined
  readonly port: number | undefined
  readonly host: string | undefined
  readonly dataDirectory: string | undefined
  /** Reloads where the file changed, whatever `general_settings.config_watch` says. */
  readonly watchConfig: boolean
}

export type Command =
  | ({ readonly kind: 'start' } & StartOptions)
  /** `config check`; without a file the one that `start` would use. */
  | { readonly kind: 'check'; readonly config: string | undefined }
  /** `keys rotate-encryption`: seals what is stored anew. */
  | ({ readonly kind: 'rotate-encryption' } & Pick<StartOptions, 'config' | 'dataDirectory'>)
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** One line for standard error; the exit code is 2. */
  | { readonly kind: 'invalid'; readonly message: string }

/** `argv` without the interpreter and the script. */
export function parseArguments(argv: readonly string[]): Command {
  try {
    // `pnpm start -- --port 1` hands the separator on.
    return toCommand(readOptions(argv[0] === '--' ? argv.slice(1) : argv))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // Node's first sentence names the argument; the rest is advice for programmers.
    const [reason = 'Invalid arguments'] = error.message.split(/\.(?:\s|$)/)
    return invalid(reason)
  }
}

function readOptions(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      port: { type: 'string', short: 'p' },
      host: { type: 'string' },
      'data-dir': { type: 'string' },
      'watch-config': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
  })
}

function toCommand({ values, positionals }: ReturnType<typeof readOptions>): Command {
  if (values.help) return { kind: 'help' }
  if (values.version) return { kind: 'version' }
  const [noun, verb, file, ...rest] = positionals
  if (noun === undefined) {
    const port = values.port === undefined ? undefined : readPort(values.port)
    if (port === 'invalid') return invalid('--port must be a number from 0 to 65535')
    return {
      kind: 'start',
      config: values.config,
      port,
      host: values.host,
      dataDirectory: values['data-dir'],
      watchConfig: values['watch-config'],
    }
  }
  if (noun === 'keys' && verb === 'rotate-encryption') {
    if (file !== undefined) return invalid('keys rotate-encryption takes options only')
    return { kind: 'rotate-encryption', config: values.config, dataDirectory: values['data-dir'] }
  }
  if (noun !== 'config' || verb !== 'check') return invalid(`Unknown command '${[noun, verb].join(' ').trim()}'`)
  if (rest.length > 0) return invalid('config check takes one file')
  return { kind: 'check', config: file ?? values.config }
}

function readPort(text: string): number | 'invalid' {
  const port = Number(text)
  return /^\d+$/.test(text) && port <= 65_535 ? port : 'invalid'
}

function invalid(reason: string): Command {
  return { kind: 'invalid', message: `${reason}. Try --help.` }
}
