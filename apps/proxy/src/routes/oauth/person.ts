/**
 * The way of a person to the company's identity provider and back, after it agreed to a client on the page. Nothing waits here: what
 * was agreed to travels sealed in `state`, bound to the browser, so nobody comes back for somebody else.
 */
import type { AuthorizationServer } from '@toolgate/auth'
import { GatewayError } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { AuthorizeDoor } from './authorize.ts'
import { browserOf, markBrowser } from './browser.ts'
import type { WaitingSignIn } from './connect.ts'
import { showPage } from './page.ts'
import { deniedPage, signInPage } from './person-pages.ts'

/** LiteLLM's, which operators have registered already. No other authorization server has this one (RFC 9700 §4.4.2.2). */
export const signInCallback = '/sso/callback'

export interface PersonDoor {
  /** To the provider, with a request that was agreed to. */
  readonly leave: (context: Context<AppEnv>, agreed: Omit<WaitingSignIn, 'consenter'>) => Promise<Response>
  readonly comeBack: (context: Context<AppEnv>) => Promise<Response>
}

export interface PersonDoorOptions extends Pick<AuthorizeDoor, 'agreed' | 'declined'> {
  readonly server: Pick<AuthorizationServer, 'people' | 'signingIn'>
  readonly publicAddress: PublicAddress
}

export function createPersonDoor({ server, publicAddress, agreed, declined }: PersonDoorOptions): PersonDoor {
  return {
    async leave(context, { parameters, issuer }) {
      const base = publicAddress.of(context)
      const { url, kept } = await server.people.begin(`${base}${signInCallback}`, context.req.raw.signal)
      const leg = { parameters: new URLSearchParams({ request: parameters.toString(), kept }), issuer }
      const target = new URL(url)
      target.searchParams.set('state', await server.signingIn.seal(leg, markBrowser(context, base)))
      return showPage(context, signInPage(server.people.label() ?? target.host, target))
    },
    async comeBack(context) {
      const base = publicAddress.of(context)
      const { search, searchParams } = new URL(context.req.url)
      const state = searchParams.get('state') ?? ''
      const { parameters: leg, issuer } = await server.signingIn.open(state, browserOf(context, base))
      const asked = { parameters: new URLSearchParams(leg.get('request') ?? ''), issuer }
      const answer = { url: new URL(`${base}${signInCallback}${search}`), state, kept: leg.get('kept') ?? '' }
      try {
        const consenter = await server.people.finish(answer, context.req.raw.signal)
        return await agreed(context, { ...asked, consenter })
      } catch (error) {
        if (!(error instanceof GatewayError) || error.blame !== 'caller') throw error
        return showPage(context, deniedPage(error.message, await declined(context, asked)))
      }
    },
  }
}
