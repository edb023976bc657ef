import type { Principal, Secret } from '@toolgate/core'

export interface Moment {
  readonly signal: AbortSignal
  /**
   * Milliseconds since the epoch: a token that was good then counts as good, because its holder renews it as a matter of
   * course. What it stands for, a key or a consent, is judged as it is now. Absent: now.
   */
  readonly asOf?: number | undefined
}

/**
 * One way to prove who calls. Answers with a principal; yields (`undefined`) what is not its kind of credential; or
 * throws why a credential of its kind is no good. A failure here is not logged: another method may accept the credential.
 */
export interface Authenticator {
  /** For logs. */
  readonly name: string
  authenticate(credential: Secret, moment: Moment): Promise<Principal | undefined>
}
