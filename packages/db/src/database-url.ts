/**
 * Reads `DATABASE_URL`. LiteLLM's users bring addresses written for Prisma, whose parameters Postgres would refuse as
 * unknown settings: the ones with a meaning here are translated, the others dropped. One host only.
 */
import { GatewayError, type Secret } from '@toolgate/core'

export interface DatabaseAddress {
  /** With credentials and only the parameters that the driver understands. For the driver. */
  readonly connectionString: string
  /** `host:port/name`, for people. */
  readonly label: string
  /** Connections in the pool, where the address names a number. */
  readonly connectionLimit: number | undefined
  /** The schema to work in, where the address names one. */
  readonly schema: string | undefined
}

/** What an address must look like, for messages. */
export const formOfDatabaseUrl =
  'an address of the form postgres://user:password@host:port/name (special characters in the password percent-encoded)'

const understoodByTheDriver = new Set(['sslmode', 'sslrootcert', 'sslnegotiation', 'application_name', 'options'])
const mostConnections = 100

/** Throws `CONFIGURATION_INVALID` that quotes nothing: any part of a malformed address may be the password. */
export function parseDatabaseUrl(url: Secret): DatabaseAddress {
  const parsed = addressIn(url)
  if (parsed === undefined) {
    throw new GatewayError('CONFIGURATION_INVALID', `The address of the database must be ${formOfDatabaseUrl}.`)
  }
  const { searchParams } = parsed
  const connectionLimit = Number(searchParams.get('connection_limit'))
  const schema = searchParams.get('schema') ?? undefined
  const foreign = [...searchParams.keys()].filter((name) => !understoodByTheDriver.has(name))
  for (const name of foreign) searchParams.delete(name)
  return {
    connectionString: parsed.href,
    label: `${parsed.hostname}:${parsed.port || '5432'}${parsed.pathname}`,
    connectionLimit:
      Number.isInteger(connectionLimit) && connectionLimit > 0 ? Math.min(connectionLimit, mostConnections) : undefined,
    schema: schema === 'public' ? undefined : schema,
  }
}

/** Whether {@link parseDatabaseUrl} takes it. */
export function isDatabaseUrl(url: Secret): boolean {
  return addressIn(url) !== undefined
}

function addressIn(url: Secret): URL | undefined {
  const parsed = URL.parse(url.reveal())
  return parsed !== null && /^postgres(?:ql)?:$/.test(parsed.protocol) && parsed.hostname !== '' ? parsed : undefined
}
