/**
 * The values of a request: what says nothing is nothing, and what would be filled in from elsewhere in the configuration
 * file is not filled in here.
 */
import { invalidRequest } from '@toolgate/auth'
import { isJsonObject } from '@toolgate/core'
import type { Settings } from './secrets.ts'
import { requestField, secrecyOf } from './server-fields.ts'

export interface ServerValues {
  readonly settings: Settings
  readonly warnings: readonly string[]
}

/** Throws `INVALID_REQUEST` where a value names a variable of the gateway's environment. */
export function readValues(given: Settings): ServerValues {
  const settings = Object.fromEntries(
    Object.entries(given).flatMap(([field, value]) =>
      value === undefined ? [] : [[field, isEmpty(value) ? null : value]],
    ),
  )
  const warnings: string[] = []
  for (const [field, value] of Object.entries(settings)) {
    const texts = textsIn(value)
    if (texts.some((text) => text.startsWith('os.environ/'))) throw namesVariable(field)
    if (secrecyOf(field) !== 'plain' && texts.some((text) => isSentAsWritten(field, text))) {
      warnings.push(`${requestField(field)} holds \${…}, which is sent as written: nothing fills it in.`)
    }
  }
  return { settings, warnings }
}

const template = /\$\{[^{}]*\}/
/** Requests and variables are filled in there; what nothing fills in says whoever builds the server. */
const filledIn = new Set(['static_headers', 'env'])

function isSentAsWritten(field: string, text: string): boolean {
  return !filledIn.has(field) && template.test(text)
}

/** LiteLLM's answers have empty lists and maps where nothing is set; for `allowed_tools` the file would mean no tool at all. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsIn)
  return isJsonObject(value) ? Object.values(value).flatMap(textsIn) : []
}

function namesVariable(field: string) {
  const message = 'Stored servers hold values, not names of environment variables. Give the value.'
  return invalidRequest([{ path: requestField(field).split('.'), message, code: 'not_supported' }])
}
