import type { Principal, Secret } from '@toolgate/core'

/**
 * One way to prove who calls. Answers with a principal; yields (`undefined`) what is not its kind of credential; or
 * throws why a credential of its kind is no good. Failing is no event: no span, no log, another way may know it.
 */
export interface Authenticator {
  /** For logs. */
  readonly name: string
  authenticate(credential: Secret, signal: AbortSignal): Promise<Principal | undefined>
}
