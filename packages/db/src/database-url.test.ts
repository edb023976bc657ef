import { inspect } from 'node:util'
import { Secret } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { parseDatabaseUrl } from './database-url.ts'

describe('DATABASE_URL', () => {
  it('written for Prisma works: its parameters are translated or dropped', () => {
    const url =
      'postgresql://gate:p%40ss@db:6432/gate?schema=gateway&connection_limit=7&pool_timeout=60&sslmode=require'
    expect(parseDatabaseUrl(new Secret(url))).toEqual({
      connectionString: 'postgresql://gate:p%40ss@db:6432/gate?sslmode=require',
      label: 'db:6432/gate',
      connectionLimit: 7,
      schema: 'gateway',
    })
  })

  it('has the usual port, pool and schema unless it says otherwise', () => {
    expect(parseDatabaseUrl(new Secret('postgres://db/gate?schema=public&connection_limit=x'))).toEqual({
      connectionString: 'postgres://db/gate',
      label: 'db:5432/gate',
      connectionLimit: undefined,
      schema: undefined,
    })
  })

  it.each([
    '',
    'db:5432/gate',
    'mysql://gate:hush-hush@db/gate',
    'postgres://gate:hush#hush@db/gate',
    'postgres:///gate',
  ])('is refused without being quoted: %j', (url) => {
    expect(() => parseDatabaseUrl(new Secret(url))).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.not.stringContaining('hush') }),
    )
    expect(inspect(new Secret(url))).not.toContain('hush')
  })
})
