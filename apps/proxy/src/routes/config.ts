import { GatewayError } from '@toolgate/core'
import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { linesOf, type Reload, type ReloadReport } from '../reload/reload.ts'
import { requireAdmin } from '../require-admin.ts'

/** `POST /config/reload`: the same as SIGHUP, with an answer. For administrators; a file with errors is 422 and changes nothing. */
export function configRoutes({ reload }: { reload: Reload }) {
  return new Hono<AppEnv>().post('/config/reload', async (context) => {
    requireAdmin(context.var.caller, context.req.path)
    return context.json(encodeReport(await reload.run('api').catch(rejectInvalid)))
  })
}

function encodeReport({ needRestart, ...report }: ReloadReport) {
  return { status: 'reloaded', ...report, needs_restart: needRestart }
}

/** At start a bad file is the operator's fault; here its author is the one who asks. */
function rejectInvalid(error: unknown): never {
  if (!(error instanceof GatewayError) || error.code !== 'CONFIGURATION_INVALID') throw error
  throw new GatewayError('INVALID_REQUEST', error.message, {
    cause: error,
    details: { issues: linesOf(error).map((line) => ({ loc: placeIn(line), msg: line, type: 'configuration_error' })) },
  })
}

/** `config.yaml:12:5 …` as FastAPI says where something is. */
function placeIn(line: string): readonly (string | number)[] {
  const [, file, row, column] = /^(\S+):(\d+):(\d+) /.exec(line) ?? []
  return file === undefined ? ['config'] : ['config', file, Number(row), Number(column)]
}
