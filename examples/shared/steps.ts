import { deepStrictEqual } from 'node:assert/strict'
import process from 'node:process'

/** Says what is shown, and ends the example with the difference where it is not so. */
export function show(what: string, actual: unknown, expected: unknown): void {
  deepStrictEqual(actual, expected, what)
  process.stdout.write(`ok  ${what}\n`)
}

/** The text of a tool's result. */
export function textOf(result: unknown): string {
  const [, text] = /"text":"([^"]*)"/.exec(typeof result === 'string' ? result : JSON.stringify(result)) ?? []
  return text ?? ''
}
