import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/**
 * Levels of nesting. Whatever writes JSON again recurses: a body that is deeper would fail there, and look like a fault of
 * whoever it was meant for.
 */
export const maxBodyDepth = 256

/** Reads a body that must be a JSON object. Says what is wrong with it, never what is in it. */
export async function readJsonObject(context: Context<AppEnv>): Promise<JsonObject> {
  const text = await readText(context)
  if (text === '') throw new GatewayError('INVALID_REQUEST', 'The request body is empty; a JSON object is needed.')
  const value = parseJson(text)
  if (!isJsonObject(value)) throw new GatewayError('INVALID_REQUEST', 'The request body must be a JSON object.')
  if (isNestedTooDeep(value, text.length)) {
    throw new GatewayError('INVALID_REQUEST', `The request body is nested more than ${maxBodyDepth} levels deep.`)
  }
  return value
}

export async function readText(context: Context<AppEnv>): Promise<string> {
  try {
    return await context.req.text()
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('CANCELLED', 'The client went away before the request body was read.', { cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('INVALID_REQUEST', 'The request body is not valid JSON.', { cause })
  }
}

/** `textLength`: of what it was parsed from; a short text cannot be deep. */
export function isNestedTooDeep(value: unknown, textLength: number): boolean {
  if (textLength <= maxBodyDepth || typeof value !== 'object' || value === null) return false
  return isDeeperThan(value, maxBodyDepth)
}

/** Level by level, so that the question itself does not recurse. */
function isDeeperThan(value: object, depth: number): boolean {
  let level: readonly unknown[] = [value]
  for (let reached = 0; reached <= depth; reached += 1) {
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
    if (level.length === 0) return false
  }
  return true
}
