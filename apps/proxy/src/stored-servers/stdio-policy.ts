/**
 * Which commands the API may start. A command is a plain name of the list, found on the gateway's own path: no path of
 * its own, no variable that changes what the name means or what a program loads before it runs. Its arguments are the
 * administrator's word: whoever may run `npx` may run anything it can fetch.
 */
import { isJsonObject } from '@toolgate/core'
import { Unusable } from '../config/server-auth.ts'
import type { Settings } from './secrets.ts'

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Where commands are found, and what loaders and interpreters read before the program they were asked to run. */
const refusedVariable =
  /^(?:PATH|PATHEXT|IFS|ENV|BASH_ENV|SHELLOPTS|LD_.*|DYLD_.*|NODE_OPTIONS|NODE_PATH|PYTHON(?:PATH|HOME|STARTUP|INSPECT)|PERL5?(?:OPT|LIB)|RUBYOPT|DENO_DIR|DOCKER_(?:HOST|CONFIG|CONTEXT)|HOME|OPENSSL_CONF|GCONV_PATH|NODE_(?:EXTRA_CA_CERTS|REPL_EXTERNAL_MODULE)|PYTHON(?:USERBASE|BREAKPOINT)|NPM_CONFIG_.*|UV_.*INDEX.*)$/i

/** `allowed`: base names; undefined where no command may be started at all. Throws {@link Unusable}. */
export function checkStdio(settings: Settings, allowed: ReadonlySet<string> | undefined): void {
  const { transport, command, env } = settings
  if (command === undefined && transport !== 'stdio') return
  if (allowed === undefined) {
    throw new Unusable(
      ['transport'],
      'stdio servers cannot be added through the API: put it in the configuration file, or start the gateway with LITELLM_ENABLE_MCP_STDIO=true',
    )
  }
  if (typeof command === 'string' && !allowed.has(command)) {
    throw new Unusable(
      ['command'],
      `must be one of ${[...allowed].join(', ')}, without a path; LITELLM_MCP_STDIO_EXTRA_COMMANDS adds others`,
    )
  }
  for (const name of isJsonObject(env) ? Object.keys(env) : []) {
    if (!variableName.test(name)) throw new Unusable(['env'], 'holds a name that no environment variable can have')
    if (refusedVariable.test(name))
      throw new Unusable(['env', name], 'must not be set: it changes what the command runs')
  }
}
