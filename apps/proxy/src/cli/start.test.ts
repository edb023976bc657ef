import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const script = new URL('../../../../start', import.meta.url)
const future = new Date('2100-01-01')
let root = ''

/** A tree as the script sees it: installed, with an entry that says how it was called. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'toolgate-start-'))
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true })
  mkdirSync(join(root, 'apps/proxy/src'), { recursive: true })
  copyFileSync(script, join(root, 'start'))
  writeFileSync(join(root, 'pnpm-lock.yaml'), '')
  writeFileSync(join(root, 'node_modules/.modules.yaml'), '')
  utimesSync(join(root, 'node_modules/.modules.yaml'), future, future)
  writeFileSync(
    join(root, 'apps/proxy/src/main.ts'),
    'console.log(JSON.stringify({ pid: process.pid, argv: process.argv.slice(2), cwd: process.cwd() }))',
  )
})
afterEach(() => rmSync(root, { recursive: true }))

function program(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

function start(...argv: string[]) {
  const hostPath = `${join(root, 'host')}:${join(process.execPath, '..')}:/usr/bin:/bin`
  return spawnSync(join(root, 'start'), argv, { cwd: tmpdir(), env: { PATH: hostPath }, encoding: 'utf8' })
}

describe('./start', () => {
  it('becomes the server, where the caller is, with its arguments as they were', () => {
    program(join(root, 'node_modules/.bin/node'), `exec "${process.execPath}" "$@"`)
    const { stdout, status, pid } = start('--config', 'my file.yaml')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ pid, argv: ['--config', 'my file.yaml'], cwd: tmpdir() })
  })

  it("uses the host's Node where the installed one cannot run", () => {
    program(join(root, 'node_modules/.bin/node'), 'exit 127')
    expect(start('a')).toMatchObject({ status: 0, stdout: expect.stringContaining('"argv":["a"]') })
  })

  it('says so where no Node is new enough', () => {
    mkdirSync(join(root, 'host'))
    program(join(root, 'host/node'), 'echo v20.20.2')
    expect(start()).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'toolgate needs Node 24 or newer; found: v20.20.2\n',
    })
  })

  it('installs first where something is missing, and says nothing on standard output', () => {
    mkdirSync(join(root, 'host'))
    program(join(root, 'host/npx'), `echo "installing $*"`)
    rmSync(join(root, 'node_modules/.modules.yaml'))
    const { stdout, stderr } = start()
    expect(stderr).toBe('installing -y pnpm@12.21.0 install --frozen-lockfile --silent\n')
    expect(JSON.parse(stdout)).toMatchObject({ argv: [] })
  })
})
