import type { Principal, Secret } from '@toolgate/core'

/**
 * One way to prove who calls. Answers with a principal; yields (`undefined`) what is not its kind of credential; or
 * throws why a credential of its kind is no good. A failure here is not logged: another method may accept the credential.
 */
export interface Authenticator {
  /** For logs. */
  readonly name: string
  authenticate(credential: Secret, signal: AbortSignal): Promise<Principal | undefined>
}
