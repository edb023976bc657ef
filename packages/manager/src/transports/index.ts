import { plugRegistry } from '@toolgate/core'
import { sse } from './sse.ts'
import { stdio } from './stdio.ts'
import { streamableHttp } from './streamable-http.ts'

/** Every way to reach an upstream. A new one is a file beside these and one entry here. */
export const transports = plugRegistry([streamableHttp, sse, stdio])
