import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execFileSync, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, type Place, repository } from './gateway-process.ts'

let place: Place
beforeAll(() => {
  place = createPlace()
})
afterAll(() => place[Symbol.dispose]())

const versionOf = (manifest: string): unknown => JSON.parse(readFileSync(join(repository, manifest), 'utf8')).version

describe('./start', () => {
  it('--help and --version answer on standard output and start nothing', async () => {
    expect(await place.run(['--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Usage\n.*\.\/start.*config check.*--config.*--port.*--host.*--data-dir/s),
      stderr: '',
    })
    expect(await place.run(['--version'])).toMatchObject({
      code: 0,
      stdout: `${String(versionOf('apps/proxy/package.json'))}\n`,
      stderr: '',
    })
    expect(versionOf('apps/proxy/package.json')).toBe(versionOf('package.json'))
  })

  verifies('start:clear-failures', 'ends with 2 and the way to the help where it does not know an option', async () => {
    expect(await place.run(['--prot', '4000'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: "Unknown option '--prot'. Try --help.\n",
    })
  })
})

describe('./start config check', () => {
  it('explains the default configuration, whichever folder it is called from', async () => {
    const { code, stdout, stderr } = await place.run(['config', 'check'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('MCP servers: 1\n')
    expect(stdout).toMatch(/^ {2}everything: stdio /m)
    expect(stdout).toContain('Problems: 0\n')
  })

  it('accepts the example of every setting and shows no value of a variable', async () => {
    const file = join(repository, 'config.example.yaml')
    const names = [...readFileSync(file, 'utf8').matchAll(/os\.environ\/(\w+)/g)].map(([, name = '']) => name)
    const DATABASE_URL = 'postgres://gate:canary@db/gate'
    const secrets = names.map((name) => [name, `sk-canary-of-${name.toLowerCase()}`])
    const variables = { ...Object.fromEntries(secrets), DATABASE_URL }
    expect(names).toContain('DATABASE_URL')
    const { code, stdout, stderr } = await place.run(['config', 'check', file], variables)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Problems: 0\n')
    expect(stdout).not.toContain('canary')
  })

  it('names every fault of a broken file with its place and the nearest key, and ends with 1', async () => {
    const file = place.write(
      'broken.yaml',
      'model_lst: []\nmcp_servers:\n  docs: {url: http://127.0.0.1:1/mcp, auth_typ: none}\n',
    )
    const { code, stdout, stderr } = await place.run(['config', 'check', file])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout.split('\n').toSorted()).toEqual([
      '',
      'broken.yaml:1:1 model_lst is not a known key; did you mean model_list?',
      'broken.yaml:3:39 mcp_servers.docs.auth_typ is not a known key; did you mean auth_type?',
    ])
  })
})

/** A tree as the script sees it, whose entry does nothing and whose `npx` says that it was called. */
function installedTree(folder: string): { lockfile: string; start: () => string } {
  const path = (...parts: string[]) => join(folder, ...parts)
  for (const made of ['node_modules/.bin', 'node_modules/.pnpm', 'apps/proxy/src', 'host']) {
    mkdirSync(path(made), { recursive: true })
  }
  copyFileSync(join(repository, 'start'), path('start'))
  symlinkSync(process.execPath, path('node_modules/.bin/node'))
  writeFileSync(path('apps/proxy/src/main.ts'), '')
  writeFileSync(path('host/npx'), '#!/bin/sh\necho "installs"\n')
  chmodSync(path('host/npx'), 0o755)
  for (const file of ['node_modules/.modules.yaml', 'node_modules/.pnpm/lock.yaml', 'pnpm-lock.yaml']) {
    writeFileSync(path(file), 'one')
  }
  const env = { PATH: `${path('host')}:/usr/bin:/bin` }
  return { lockfile: path('pnpm-lock.yaml'), start: () => spawnSync(path('start'), { env, encoding: 'utf8' }).stderr }
}

describe('./start installs', () => {
  verifies('start:one-command', 'not because pnpm wrote its lockfile last, but where it says something new', () => {
    const { lockfile, start } = installedTree(join(place.folder, 'tree'))
    const later = new Date('2100-01-01')
    utimesSync(lockfile, later, later)
    expect(start()).toBe('')
    writeFileSync(lockfile, 'two')
    utimesSync(lockfile, later, later)
    expect(start()).toBe('installs\n')
  })

  it('is a script of plain sh that can be executed', () => {
    expect(execFileSync('sh', ['-n', join(repository, 'start')], { encoding: 'utf8' })).toBe('')
  })
})
