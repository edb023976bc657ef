import { type Caller, fillTemplate, GatewayError, Secret, type ServerDefinition } from '@toolgate/core'
import type { VariableValues } from './user-variables.ts'

type Headers = ReadonlyMap<string, Secret>

const nobodys: Headers = new Map()

export interface FilledHeaders {
  /** `static_headers` as they are sent. One that comes to nothing is left out. */
  readonly headers: Headers
  /** Those of them that a request filled in, which say whose it is. */
  readonly identity: readonly string[]
}

/**
 * What the operator wrote for a server, with the headers of this request and the user's variables in their places. One that is needed and was not
 * sent is a sign-in to do: the server would be asked as somebody else. Throws `UPSTREAM_SIGN_IN_REQUIRED`.
 */
export function filledStaticHeaders(
  server: ServerDefinition,
  caller: Caller | undefined,
  variables: VariableValues,
): FilledHeaders {
  const { staticHeaders, templatedHeaders } = server
  if (templatedHeaders === undefined || templatedHeaders.size === 0) return { headers: staticHeaders, identity: [] }
  const given = caller?.forwarded.headers ?? nobodys
  const headers = new Map(staticHeaders)
  const identity: string[] = []
  for (const name of templatedHeaders) {
    const { text, missing } = fillTemplate(
      staticHeaders.get(name)?.reveal() ?? '',
      (header) => given.get(header)?.reveal(),
      (variable) => variables.get(variable)?.reveal(),
    )
    if (missing !== undefined) throw notSent(server, missing)
    if (text.trim() === '') headers.delete(name)
    else headers.set(name, new Secret(text))
    identity.push(`${name}: ${text}`)
  }
  return { headers, identity }
}

/**
 * What of this request and of the user's variables goes into the environment of a process. It keeps them for its whole life, so they are part
 * of whose process it is. Throws `UPSTREAM_SIGN_IN_REQUIRED`.
 */
export function environmentValues(
  server: ServerDefinition,
  caller: Caller | undefined,
  variables: VariableValues,
): readonly string[] {
  const values: string[] = []
  for (const template of server.environmentTemplates ?? []) {
    const { text, missing } = fillTemplate(
      template,
      (header) => caller?.forwarded.headers.get(header)?.reveal(),
      (variable) => variables.get(variable)?.reveal(),
    )
    if (missing !== undefined) throw notSent(server, missing)
    values.push(text)
  }
  return values
}

function notSent({ name }: ServerDefinition, header: string): GatewayError {
  return new GatewayError(
    'UPSTREAM_SIGN_IN_REQUIRED',
    `Server "${name}" is asked with your header "${header}", and none was sent.`,
    { details: { server: name, stage: 'credential' } },
  )
}
