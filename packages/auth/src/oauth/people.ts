/**
 * People of the company as principals: what they may do is asked of the settings in force with every request, and what their
 * provider said of them when they signed in. Nobody is let in whom no mapping names; without mappings that is
 * nobody, unless `mcp_default_access` is `all`.
 */
import { GatewayError, type Principal } from '@toolgate/core'
import type { SignedInPerson } from '@toolgate/db'
import type { DefaultAccess } from '../keys/grants.ts'
import { holds, principalOfPerson } from '../inbound/jwt/jwt-principal.ts'
import type { JwtMapping } from '../inbound/jwt/jwt-settings.ts'
import type { PersonSignInSettings } from './person-settings.ts'

export interface People {
  /** Rejects with `CREDENTIAL_INVALID` where this person may not come in, or not any more. */
  admit(person: SignedInPerson): Principal
}

export interface PeopleOptions {
  /** Absent: nobody signs in so. Asked anew for each request, since a reload may change it. */
  readonly settings: () => PersonSignInSettings | undefined
  readonly defaultAccess: () => DefaultAccess
}

export function createPeople({ settings, defaultAccess }: PeopleOptions): People {
  return {
    admit(person) {
      const inForce = settings()
      if (inForce?.provider.issuer !== person.issuer) {
        throw refused('People do not sign in at this identity provider any more')
      }
      const { provider, mappings } = inForce
      const access = defaultAccess()
      if (!mayComeIn(person, inForce, access)) {
        throw refused(`"${person.user}" is known at the identity provider, and is granted nothing here`)
      }
      // What a token of this kind is good for are MCP endpoints: nobody administers anything with one.
      return principalOfPerson(person, provider, { mappings: mappings.filter(isForPeople), defaultAccess: access })
    },
  }
}

function mayComeIn(person: SignedInPerson, { mappings }: PersonSignInSettings, access: DefaultAccess): boolean {
  if (mappings.length === 0) return access === 'all'
  return mappings.some((mapping) => isForPeople(mapping) && holds(mapping, person))
}

function isForPeople({ admin }: JwtMapping): boolean {
  return !admin
}

function refused(why: string): GatewayError {
  return new GatewayError('CREDENTIAL_INVALID', `${why}. Ask whoever runs this gateway.`)
}
