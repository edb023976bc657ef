import { defineStaticValuePlug, withScheme } from './static-value.ts'

/** `auth_type: token`: `Authorization: token <value>`, GitHub's older scheme. */
export const token = defineStaticValuePlug({
  type: 'token',
  header: 'authorization',
  write: (value) => withScheme('token', value),
})
