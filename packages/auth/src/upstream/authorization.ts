import { defineStaticValuePlug } from './static-value.ts'

/** `auth_type: authorization`: the value is the whole `Authorization` header, scheme included. */
export const authorization = defineStaticValuePlug({
  type: 'authorization',
  header: 'authorization',
  write: (value) => value,
})
