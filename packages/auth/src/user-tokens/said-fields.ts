import { isJsonObject } from '@toolgate/core'

/**
 * An answer with JSON in it, without the members that are null or empty: some authorization servers write so what they do not say
 * (RFC 6749 §5.1 has them leave it out). Any other text comes back as it is.
 */
export function withSaidFields(text: string): string {
  const answer = parsed(text)
  if (!isJsonObject(answer)) return text
  return JSON.stringify(
    Object.fromEntries(Object.entries(answer).filter(([, value]) => value !== null && value !== '')),
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Whoever reads it says that it is none.
    return undefined
  }
}
