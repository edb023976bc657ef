import { Secret } from '@toolgate/core'

/** Some providers repeat the credential that they refuse: it is taken out of what they say before anybody reads it. */

const bearsCredential = /auth|key|token|secret|cookie|password/i
/** A shorter value is none, and part of many a word. */
const shortestCredential = 8

/** Of the headers that the gateway sends, also those that an operator wrote. */
export function credentialsIn(headers: Readonly<Record<string, string>>): readonly Secret[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const credential = value.replace(/^[A-Za-z]+\s+/, '')
    return bearsCredential.test(name) && credential.length >= shortestCredential ? [new Secret(credential)] : []
  })
}

export function withoutCredentials(text: string, credentials: readonly Secret[]): string {
  return credentials.flatMap(spellings).reduce((told, credential) => told.replaceAll(credential, '[redacted]'), text)
}

/** As it is, and as some libraries write it in JSON. */
export function spellings(credential: Secret): readonly string[] {
  const plain = credential.reveal()
  return [plain, plain.replaceAll('/', String.raw`\/`)]
}
