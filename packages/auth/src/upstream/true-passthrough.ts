import { definePassThroughPlug } from './pass-through.ts'

/** `auth_type: true_passthrough`: the caller's `Authorization` goes through. The caller is admitted by the gateway all the same. */
export const truePassthrough = definePassThroughPlug('true_passthrough')
