/** JSON writes NUL and half a character, and only them, as these escapes; an even number of `\\` may stand in front. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/** Whether Postgres can hold this JSON text: no `text` and no `jsonb` holds NUL or half a character. */
export function isStorable(json: string): boolean {
  return !unstorable.test(json)
}
