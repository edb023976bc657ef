import { Secret, type ServerDefinition } from '@toolgate/core'

/**
 * What a child is given and must not be repeated by whoever shows what it says. The arguments of a stored server are kept
 * sealed, so all of them are secrets; those of the file are the operator's, who has `env` for what is secret.
 */
export function childSecrets(
  { args, env }: { args: readonly string[]; env: Readonly<Record<string, Secret>> },
  origin: ServerDefinition['origin'],
): readonly Secret[] {
  const given = origin === 'stored' ? args.flatMap(partsOf).map((part) => new Secret(part)) : []
  // The longest first: a shorter one may be a part of it, and what is left of it would be shown.
  return [...Object.values(env), ...given].toSorted((left, right) => right.reveal().length - left.reveal().length)
}

/** `--header=Authorization: Bearer x` is a secret, and so are the value of the option and its last word. */
function partsOf(argument: string): readonly string[] {
  const value = argument.slice(argument.indexOf('=') + 1)
  const lastWord = /[^=:\s]*$/.exec(argument)?.[0] ?? ''
  return [...new Set([argument, value, lastWord])]
}
