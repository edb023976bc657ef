/** The gateway as a person starts it: `./start` with a configuration file, in a process of its own. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

export interface ExampleGateway extends AsyncDisposable {
  readonly address: string
  readonly masterKey: string
  /** Answers the status and the body. */
  post(path: string, body: object, headers: Readonly<Record<string, string>>): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly text: string
}

const start = join(import.meta.dirname, '..', '..', 'start')

export async function startGateway(
  config: string,
  environment: Readonly<Record<string, string>>,
): Promise<ExampleGateway> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'toolgate-example-'))
  const masterKey = `sk-${randomBytes(24).toString('base64url')}`
  const child = spawn(start, ['--config', config, '--port', '0', '--data-dir', dataDirectory], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LITELLM_MASTER_KEY: masterKey, ...environment },
  })
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const address = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const [, found] = /^toolgate listens on (\S+)$/.exec(line) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} instead of listening`)))
  })
  return {
    address,
    masterKey,
    async post(path, body, headers) {
      const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
      const response = await fetch(`${address}${path}`, { ...init, body: JSON.stringify(body) })
      return { status: response.status, text: await response.text() }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
}
