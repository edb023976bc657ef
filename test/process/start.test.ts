import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, type GatewayProcess, logLines, type Place } from './gateway-process.ts'

const hasCurl = spawnSync('curl', ['--version']).status === 0
if (!hasCurl && process.env['CI'] === 'true') throw new Error('the printed commands: curl is missing')
if (!hasCurl) console.warn('Skipped: the printed commands, needs curl.')

/** The commands of the banner by the comment above each. */
function printedCommands(output: string): Readonly<Record<string, string>> {
  const commands = [...output.matchAll(/^# (.+)\n(curl .+)$/gm)]
  return Object.fromEntries(commands.map(([, title = '', command = '']) => [title, command]))
}

describe('./start without anything set', () => {
  let place: Place
  let gateway: GatewayProcess
  let address: string
  beforeAll(async () => {
    place = createPlace()
    gateway = place.startGateway({ environment: { LOG_LEVEL: 'trace' } })
    address = await gateway.listening()
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    place[Symbol.dispose]()
  })

  const printed = (title: string) => {
    const command = printedCommands(gateway.stdout)[title]
    if (command === undefined) throw new Error(`no command "${title}" in ${gateway.stdout}`)
    // As a person pastes it: the same folder, a plain shell.
    return promisify(execFile)('sh', ['-c', command], { cwd: place.folder })
  }

  it('is ready when it says so, and says where its key and its data are', async () => {
    expect((await fetch(`${address}/health/readiness`)).status).toBe(200)
    expect(gateway.stdout).toMatch(/^ {2}admin key {2}in data\/master-key$/m)
    expect(gateway.stdout).toContain(`embedded Postgres in ${place.dataDirectory}/database`)
    expect(Object.keys(printedCommands(gateway.stdout))).toEqual([
      'list the tools',
      'call one',
      'let the model call one',
    ])
    expect(gateway.stderr).toBe('')
  })

  describe.runIf(hasCurl)('prints commands that work as printed', () => {
    verifies('start:one-command', 'the first lists the tools', async () => {
      const { tools } = JSON.parse((await printed('list the tools')).stdout)
      expect(tools).toContainEqual(expect.objectContaining({ name: 'echo', inputSchema: expect.anything() }))
    })

    verifies('start:one-command', 'the second calls one', async () => {
      const { stdout } = await printed('call one')
      expect(JSON.parse(stdout)).toMatchObject({ content: [{ type: 'text', text: 'Echo: hello' }] })
    })

    verifies('start:one-command', 'the third has the model call one', async () => {
      const { stdout } = await printed('let the model call one')
      expect(JSON.parse(stdout)).toMatchObject({
        choices: [{ finish_reason: 'stop', message: { content: 'Echo: hello' } }],
      })
    })
  })

  verifies('start:one-command', 'keys are readable by their owner alone and never printed or logged', async () => {
    const made = ['master-key', 'encryption-key'].map((name) => join(place.dataDirectory, name))
    const keys = made.map((file) => readFileSync(file, 'utf8').trim())
    expect(made.map((file) => (statSync(file).mode & 0o777).toString(8))).toEqual(['600', '600'])
    expect((statSync(place.dataDirectory).mode & 0o777).toString(8)).toBe('700')
    expect(keys.map((key) => key.length > 30)).toEqual([true, true])

    const [master = ''] = keys
    const headers = { authorization: `Bearer ${master}`, 'content-type': 'application/json' }
    const wrong = `sk-wrong-${master}`
    const answers = await Promise.all([
      fetch(`${address}/v1/models`, { headers }),
      fetch(`${address}/v1/models`, { headers: { authorization: `Bearer ${wrong}` } }),
      fetch(`${address}/key/generate`, { method: 'POST', headers, body: '{"key_alias":"mine"}' }),
      fetch(`${address}/nothing/here?api_key=${master}`, { headers }),
      fetch(`${address}/mcp-rest/tools/call`, { method: 'POST', headers, body: `not json ${master}` }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 404, 400])
    const [, , generated, ...failed] = answers
    const virtualKey = JSON.parse((await generated?.text()) ?? '{}').key
    expect(virtualKey).toMatch(/^sk-/)
    const told = await Promise.all(failed.map((answer) => answer.text()))

    // The log is written behind the answers; the request that came last is in it last.
    const last = await fetch(`${address}/health/liveness`, { headers: { 'x-request-id': 'the-last-one' } })
    expect(last.status).toBe(200)
    await vi.waitFor(() => expect(logLines(gateway.stdout).at(-1)).toMatchObject({ requestId: 'the-last-one' }))
    const written = [gateway.stdout, gateway.stderr, ...told].join('\n')
    expect(logLines(written).filter(({ msg }) => msg === 'request').length).toBeGreaterThanOrEqual(answers.length)
    for (const secret of [...keys, wrong, virtualKey]) expect(written).not.toContain(secret)
  })
})

describe('a later start on the same folder', () => {
  const masterKeyIn = (place: Place) => readFileSync(join(place.dataDirectory, 'master-key'), 'utf8').trim()
  const modelsWith = (address: string, key: string) =>
    fetch(`${address}/v1/models`, { headers: { authorization: `Bearer ${key}` } })

  verifies('start:one-command', 'is quick, and what was made before is there, also after a kill', async () => {
    using place = createPlace()
    let virtualKey: string
    {
      await using first = place.startGateway()
      const answer = await fetch(`${await first.listening()}/key/generate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${masterKeyIn(place)}`, 'content-type': 'application/json' },
        body: '{}',
      })
      virtualKey = JSON.parse(await answer.text()).key
      first.signal('SIGKILL')
      expect(await first.ended).toMatchObject({ code: null, signal: 'SIGKILL' })
    }
    const masterKey = masterKeyIn(place)
    const began = performance.now()
    await using second = place.startGateway()
    const address = await second.listening()
    const seconds = (performance.now() - began) / 1000
    console.info(`Warm start: ${seconds.toFixed(2)} s.`)
    expect(seconds).toBeLessThan(20)
    expect(masterKeyIn(place)).toBe(masterKey)
    expect((await modelsWith(address, masterKey)).status).toBe(200)
    expect((await modelsWith(address, virtualKey)).status).toBe(200)
    second.signal('SIGTERM')
    expect(await second.ended).toMatchObject({ code: 0, stderr: '' })
  })
})
