import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'

/** A script of this folder. */
export function source(name: string): string {
  return new URL(name, import.meta.url).pathname
}

/** The processes of one run: each is ended by its id, whatever becomes of the run. */
export function createProcesses() {
  const children: ChildProcess[] = []
  return {
    /** Starts a script with this Node and resolves with its process id once it says that it listens. */
    start(script: string, args: string[], env: Record<string, string>): Promise<number> {
      const child = spawn(process.execPath, [script, ...args], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      children.push(child)
      return new Promise((resolve, reject) => {
        child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it listened`)))
        child.stdout.on('data', (chunk: Buffer) => {
          const listens = /listening|http:\/\/127\.0\.0\.1/.test(chunk.toString('utf8'))
          if (listens && child.pid !== undefined) resolve(child.pid)
        })
      })
    },
    async end(): Promise<void> {
      for (const child of children) child.kill('SIGTERM')
      await Promise.all(children.map(ended))
    },
  }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('exit', () => resolve()))
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address !== 'object' || address === null) return reject(new Error('no free port'))
      server.close(() => resolve(address.port))
    })
  })
}
