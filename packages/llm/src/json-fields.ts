import type { JsonValue } from '@toolgate/core'

/** Fields of bodies that nobody validated: what is of another kind counts as missing. */

export function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : []
}

export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
