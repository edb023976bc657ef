import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/** Reads a body that must be a JSON object. Says what is wrong with it, never what is in it. */
export async function readJsonObject(context: Context<AppEnv>): Promise<JsonObject> {
  const text = await context.req.text()
  if (text === '') throw new GatewayError('INVALID_REQUEST', 'The request body is empty; a JSON object is needed.')
  const value = parseJson(text)
  if (!isJsonObject(value)) throw new GatewayError('INVALID_REQUEST', 'The request body must be a JSON object.')
  return value
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('INVALID_REQUEST', 'The request body is not valid JSON.', { cause })
  }
}
