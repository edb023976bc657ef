import { defineStaticValuePlug } from './static-value.ts'

/** `auth_type: api_key`: `X-API-Key: <value>`. */
export const apiKey = defineStaticValuePlug({ type: 'api_key', header: 'x-api-key', write: (value) => value })
