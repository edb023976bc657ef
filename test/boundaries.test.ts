import { globSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('..', import.meta.url).pathname
const sources = globSync(['packages/*/src/**/*.ts', 'apps/proxy/src/**/*.ts'], { cwd: root })
  .filter((file) => !/\.(test|contract|fixture)\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(root + file, 'utf8') }))
const product = sources.filter(({ file }) => !file.startsWith('packages/testing/'))

/** Files whose code (comments aside) matches. */
function where(pattern: RegExp, among = product): string[] {
  return among.filter(({ text }) => pattern.test(withoutComments(text))).map(({ file }) => file)
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:])\/\/.*$/gm, '$1')
}

describe('boundaries', () => {
  it.each(['auth', 'manager', 'policies', 'llm'])('%s imports none of its sisters', (name) => {
    const sisters = ['auth', 'manager', 'policies', 'llm', 'proxy'].filter((other) => other !== name).join('|')
    const own = product.filter(({ file }) => file.startsWith(`packages/${name}/`))
    expect(where(new RegExp(`from '@toolgate/(${sisters})`), own)).toEqual([])
  })

  it('core imports nothing of ours', () => {
    expect(
      where(
        /from '@toolgate\//,
        product.filter(({ file }) => file.startsWith('packages/core/')),
      ),
    ).toEqual([])
  })

  it('no package imports Hono or an app', () => {
    expect(
      where(
        /from '(hono|@hono\/|@toolgate\/proxy)/,
        product.filter(({ file }) => file.startsWith('packages/')),
      ),
    ).toEqual([])
  })

  it('the environment is read in one file', () => {
    expect(where(/process\.env\b/)).toEqual(['apps/proxy/src/config/env.ts'])
  })

  it('the clock is read and timers are started in one file', () => {
    expect(
      where(/\b(Date\.now\(|new Date\(\)|performance\.now\(|setTimeout\(|setInterval\(|AbortSignal\.timeout\()/),
    ).toEqual(['packages/core/src/clock.ts'])
  })

  it('packages of providers are loaded when they are first used', () => {
    const loaded = where(/import\('@ai-sdk\//)
    expect(loaded).not.toEqual([])
    // Types cost nothing at run time; `@ai-sdk/provider` is what all of them share: shapes and errors.
    expect(where(/^import (?!type )[^;]*? from '@ai-sdk\/(?!provider')/m)).toEqual([])
  })

  // The global `fetch` is refused by the linter.
  it('only outbound opens HTTP connections', () => {
    expect(where(/from 'undici'|globalThis\.fetch\(/).toSorted()).toEqual([
      'packages/core/src/guarded-connector.ts',
      'packages/core/src/outbound.ts',
    ])
  })

  it('only the spine, the catalog, the health probe and the sessions borrow a connection', () => {
    expect(where(/\bpool\.acquire\(/)).toEqual(['packages/manager/src/with-connection.ts'])
    expect(where(/\bpool\.ofSession\(/)).toEqual(['packages/manager/src/sessions/session-upstreams.ts'])
    const borrowers = where(/from '(\.\/|\.\.\/)with-connection\.ts'/)
    expect(borrowers).toContain('packages/manager/src/exchange.ts')
    expect(
      borrowers.filter((file) => !/^packages\/manager\/src\/(exchange|health|catalog\/[\w-]+)\.ts$/.test(file)),
    ).toEqual([])
  })

  // Of an error under any other key pino prints `{}`.
  it('errors are logged as `err`', () => {
    const loggedAsError = /\blog\.\w+\((?=\s*\{)(?:[^'`()]|\([^()]*\))*?[{,]\s*error\s*[,}:]/
    expect(loggedAsError.test("this.#log.debug({ server: nameOf(server), error }, 'text')")).toBe(true)
    expect(loggedAsError.test("log.debug({ error: failure }, 'text')")).toBe(true)
    expect(loggedAsError.test("log.debug({ err: error }, 'text'); const { error } = result")).toBe(false)
    expect(where(loggedAsError)).toEqual([])
  })

  it('gateway credential headers are named in one file', () => {
    const inbound = 'packages/auth/src/inbound/presented.ts'
    expect(where(/x-litellm-(api-)?key/i)).toEqual([inbound])
    // Google's own, which its providers are sent.
    expect(where(/x-goog-api-key/i).filter((file) => !file.startsWith('packages/llm/src/providers/'))).toEqual([
      inbound,
    ])
  })

  it('the linter is silenced in the one place that mints an authorized call', () => {
    const silenced = product.filter(({ text }) => text.includes('oxlint-disable')).map(({ file }) => file)
    expect(silenced).toEqual(['packages/manager/src/authorize.ts'])
  })

  it('no product source leans on a fixture of tests', () => {
    expect(where(/from '[^']+\.(fixture|contract|test)\.ts'/)).toEqual([])
  })

  it('nothing mocks modules', () => {
    const tests = globSync(['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/**/*.test.ts'], {
      cwd: root,
    })
    expect(
      tests.filter((file) =>
        /\bvi\.mock\(/.test(readFileSync(root + file, 'utf8').replaceAll('/\\bvi\\.mock\\(/', '')),
      ),
    ).toEqual([])
  })
})
