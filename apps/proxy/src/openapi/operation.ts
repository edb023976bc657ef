import type { z } from 'zod'

/** What `/openapi.json` says of one route. */
export interface Operation {
  readonly summary: string
  readonly body?: z.ZodType
  /** The body may be left out. */
  readonly bodyOptional?: boolean
  readonly query?: z.ZodObject
  readonly path?: z.ZodObject
  readonly isPublic?: boolean
  readonly contentType?: string
  /** Why it may be asked again later: status → what for. Such an answer has `Retry-After`. */
  readonly later?: Readonly<Partial<Record<429 | 503, string>>>
}
