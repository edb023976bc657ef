import { isJsonObject, type JsonObject } from '@toolgate/core'
import { expect } from 'vitest'

/** Answers in any dialect, read without any code of the gateway: what is of another kind counts as missing. */

export const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : [])
export const objectIn = (value: unknown): JsonObject => (isJsonObject(value) ? value : {})
export const words = (value: unknown): string => (typeof value === 'string' ? value : '')
export const wordsOf = (list: readonly JsonObject[], field: string): string =>
  list.map((one) => words(one[field])).join('')

/** The events of a stream in order, each with its name where it has one; comments are left out. */
export function eventsIn(text: string): { readonly name: string | undefined; readonly data: string }[] {
  const lines = text.replaceAll('\r\n', '\n')
  expect(lines.endsWith('\n\n')).toBe(true)
  return lines
    .split('\n\n')
    .filter((event) => event !== '' && !event.startsWith(':'))
    .map((event) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(event)?.[1]
      return { name: field('event'), data: field('data') ?? '' }
    })
}

/** The events of a dialect that names each by its type. */
export function namedEventsIn(text: string): JsonObject[] {
  return eventsIn(text).map(({ name, data }) => {
    const event: JsonObject = JSON.parse(data)
    expect(event['type']).toBe(name)
    return event
  })
}
