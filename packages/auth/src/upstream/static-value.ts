import { definePlug, type Plug, Secret, sharedScope, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import type { UpstreamAuthOptions } from './options.ts'

/**
 * What the static methods have in common: one configured value that becomes one header, the same for everybody. They differ
 * in the header's name and how the value is written into it.
 */

/** Empty and null count as absent, as in LiteLLM-shaped bodies; white space around it never reaches a header anyway. */
export const secretSetting = z
  .string()
  .trim()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'holds a line break or another character that no header can carry')
  .nullish()
  .transform((value) => (value ? new Secret(value) : undefined))

export const staticValueShape = {
  authentication_token: secretSetting,
  /** LiteLLM's other name for the same. */
  auth_value: secretSetting,
}

interface StaticValueSettings {
  readonly authentication_token?: Secret | undefined
  readonly auth_value?: Secret | undefined
}

/** The configured value under either name. */
export function staticValue(settings: StaticValueSettings, { report }: UpstreamAuthOptions): Secret | undefined {
  const { authentication_token: token, auth_value: value } = settings
  if (token !== undefined && value !== undefined && !token.equals(value.reveal())) {
    report('warning', 'authentication_token and auth_value differ; authentication_token is used.')
  }
  return token ?? value
}

export interface StaticValueDefinition {
  readonly type: string
  /** Lower-case. */
  readonly header: string
  write(value: string): string
}

const schema = z.strictObject(staticValueShape)

/** Declares a method that presents one configured value. */
export function defineStaticValuePlug(definition: StaticValueDefinition): Plug<UpstreamAuthOptions, UpstreamAuth> {
  return definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
    type: definition.type,
    schema,
    create(settings, options) {
      const value = staticValue(settings, options)
      if (value === undefined) {
        options.report(
          'warning',
          `auth_type ${definition.type} has neither authentication_token nor auth_value: ` +
            'only requests that bring a credential for this server will reach it.',
        )
      }
      return staticValueAuth(definition, value)
    },
  })
}

function staticValueAuth({ type, header, write }: StaticValueDefinition, value: Secret | undefined): UpstreamAuth {
  const writeValue = (bare: Secret) => new Map([[header, new Secret(write(bare.reveal()))]])
  // The same credential again would be refused again.
  const presented = value && { type, scope: sharedScope, headers: writeValue(value), rejected: () => false }
  return {
    type,
    forwardsAuthorization: false,
    needsUserToken: value === undefined,
    present: () => presented,
    writeValue,
  }
}

/**
 * A value without a header of its own (LiteLLM's `x-mcp-auth`) as this server takes it: in the way of its static method, else
 * as `Authorization`, a bare token as Bearer.
 */
export function writeBareValue(auth: UpstreamAuth, value: Secret): ReadonlyMap<string, Secret> {
  if (auth.writeValue !== undefined) return auth.writeValue(value)
  const text = value.reveal()
  return new Map([['authorization', new Secret(/^[\w-]+ +\S/.test(text) ? text : `Bearer ${text}`)]])
}

/** `{scheme} {value}`, unless the value was configured with its scheme already (which no token can contain). */
export function withScheme(scheme: string, value: string): string {
  return value.toLowerCase().startsWith(`${scheme.toLowerCase()} `) ? value : `${scheme} ${value}`
}
