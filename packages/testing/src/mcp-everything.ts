import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const entry = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/dist/index.js')

/** The official reference server over stdio, as settings of the `stdio` transport. */
export const everythingStdio = { command: process.execPath, args: [entry, 'stdio'] } as const

export interface EverythingServer extends AsyncDisposable {
  readonly url: string
}

/**
 * The server takes a port but no host and would listen on every interface; this makes it listen on loopback, on any
 * free port, and print which.
 */
const onLoopback = `
import net from 'node:net'
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (...args) {
  this.once('listening', () => console.error('bound to', this.address().port))
  return listen.call(this, { port: 0, host: '127.0.0.1' }, args.find((arg) => typeof arg === 'function'))
}`

/** The official reference server over streamable HTTP or legacy SSE, as a child process on a free loopback port. */
export async function startEverything(kind: 'streamableHttp' | 'sse' = 'streamableHttp'): Promise<EverythingServer> {
  const preload = `data:text/javascript,${encodeURIComponent(onLoopback)}`
  const child = spawn(process.execPath, ['--import', preload, entry, kind], { stdio: ['ignore', 'ignore', 'pipe'] })
  const port = await boundPort(child)
  return {
    url: `http://127.0.0.1:${port}/${kind === 'sse' ? 'sse' : 'mcp'}`,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function boundPort(child: ChildProcess): Promise<number> {
  const { stderr } = child
  if (stderr === null) throw new TypeError('stderr is piped')
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const said: string[] = []
  // Read on after the line that matters: a full pipe would stop the child.
  createInterface({ input: stderr }).on('line', (line) => {
    said.push(line)
    const port = /^bound to (\d+)$/.exec(line)?.[1]
    if (port !== undefined) resolve(Number(port))
  })
  child.once('exit', () => reject(new Error(`server-everything did not start: ${said.join('\n')}`)))
  return promise
}
