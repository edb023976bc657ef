import { defineStaticValuePlug, withScheme } from './static-value.ts'

/** `auth_type: bearer_token`: `Authorization: Bearer <value>` (RFC 6750 §2.1). */
export const bearerToken = defineStaticValuePlug({
  type: 'bearer_token',
  header: 'authorization',
  write: (value) => withScheme('Bearer', value),
})
