import { defineStaticValuePlug, withScheme } from './static-value.ts'

/**
 * `auth_type: basic`: `Authorization: Basic <value>` (RFC 7617 §2). A value with a colon is `user:password` and is encoded
 * here; base64 holds no colon, so any other value is sent as it is.
 */
export const basic = defineStaticValuePlug({
  type: 'basic',
  header: 'authorization',
  write: (value) => withScheme('Basic', value.includes(':') ? Buffer.from(value).toString('base64') : value),
})
