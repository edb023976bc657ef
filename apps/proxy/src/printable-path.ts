import { ownSecretPrefixes } from '@toolgate/auth'

const ownSecret = new RegExp(`(${ownSecretPrefixes.join('|')})[^/]+`, 'g')

/**
 * A path as logs and errors may hold it. LiteLLM has routes with a key in their path, and clients send it there whether
 * or not such a route exists.
 */
export function printablePath(path: string): string {
  return mayHoldOwnSecret(path) ? path.replaceAll(ownSecret, '$1...') : path
}

/** A key or a token of this gateway may be in it. */
export function mayHoldOwnSecret(text: string): boolean {
  return ownSecretPrefixes.some((prefix) => text.includes(prefix))
}
