import { plugRegistry } from '@toolgate/core'
import { openapi } from './openapi.ts'
import { sse } from './sse.ts'
import { stdio } from './stdio.ts'
import { streamableHttp } from './streamable-http.ts'

/** Every way to reach an upstream. A new one is a file beside these and one entry here. */
export const transports = plugRegistry([streamableHttp, sse, stdio, openapi])
