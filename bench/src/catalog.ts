import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { manyTools, offersTools } from '@toolgate/testing/mcp-catalog'
import { startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { Pool } from 'undici'
import { cpuOfThreads, cpuSince } from './cpu.ts'
import { median } from './load.ts'
import { createProcesses, freePort, source } from './processes.ts'

/**
 * Measures lists and searches of a large catalog out of memory: 200 servers with 50 tools each, one request after the
 * other. Beside each stands a bare server that sends as many bytes from a buffer, in the same run: that is the limit. The servers are
 * in this process and are asked once, before anything is measured.
 */
const { values } = parseArgs({
  options: {
    servers: { type: 'string', default: '200' },
    tools: { type: 'string', default: '50' },
    requests: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '5' },
    write: { type: 'string' },
  },
})
const requests = Number(values.requests)
const rounds = Number(values.rounds)
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

interface Ask {
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string
}

interface Measured {
  readonly target: string
  readonly bytes: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
  /** Of the process under test, per request. */
  readonly cpuMilliseconds: number
}

const folder = mkdtempSync(join(tmpdir(), 'toolgate-bench-'))
const processes = createProcesses()
const upstreams = await startFaultyMcpServers()
try {
  const results = await measure()
  report(results)
  if (values.write !== undefined) writeFileSync(values.write, `${JSON.stringify({ ...values, results }, null, 2)}\n`)
} finally {
  await processes.end()
  await upstreams[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<Measured[]> {
  const gatewayPort = await freePort()
  const bytesPort = await freePort()
  const adminKey = `sk-bench-${crypto.randomUUID()}`
  const searchKey = `sk-bench-${crypto.randomUUID()}`
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify(configuration(searchKey)))
  const gateway = await processes.start(
    source('../../apps/proxy/src/main.ts'),
    ['--config', config, '--port', String(gatewayPort), '--data-dir', join(folder, 'data')],
    { LITELLM_MASTER_KEY: adminKey, LOG_LEVEL: 'error' },
  )
  const bare = await processes.start(source('fixed-bytes.ts'), [String(bytesPort)], {})
  const toGateway = new Pool(`http://127.0.0.1:${gatewayPort}`, { connections: 1 })
  const toBare = new Pool(`http://127.0.0.1:${bytesPort}`, { connections: 1 })

  const list: Ask = { path: '/mcp/tools/list', headers: { 'x-litellm-api-key': adminKey } }
  await untilListed(toGateway, list)
  const asks: Record<string, Ask> = { list, 'page of /mcp': page(adminKey), ...searches(searchKey) }
  const results: Measured[] = []
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, ask] of Object.entries(asks)) {
      const measured = await run(`toolgate ${name}`, { pool: toGateway, pid: gateway, ask })
      const same = { path: `/${measured.bytes}`, headers: {} }
      const limit = await run(`bare ${name}`, { pool: toBare, pid: bare, ask: same })
      // The first round is the compiler's.
      if (round > 0) results.push(measured, limit)
    }
  }
  await toGateway.close()
  await toBare.close()
  return results
}

function configuration(searchKey: string): object {
  const names = Array.from({ length: Number(values.servers) }, (_, index) => `server${index}`)
  const hosted = names.map((name, index) => {
    const tools = manyTools(name, Number(values.tools), index)
    return [name, { url: upstreams.host(name, offersTools(name, tools), 'everything'), auth_type: 'none' }] as const
  })
  const virtual_keys = [{ key: searchKey, object_permission: { mcp_servers: names, mcp_tool_search_enabled: true } }]
  return { mcp_servers: Object.fromEntries(hosted), virtual_keys }
}

/** The first thousand, as MCP clients get them. */
function page(key: string): Ask {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
  return { path: '/mcp', headers: { ...json, 'x-litellm-api-key': key }, body }
}

/** One with words of a few hundred tools, one with words of nearly all of them. */
function searches(key: string): Record<string, Ask> {
  const search = (query: string): Ask => ({
    path: '/mcp-rest/tools/call',
    headers: { ...json, 'x-litellm-api-key': key },
    body: JSON.stringify({ name: 'mcp_tool_search', arguments: { query } }),
  })
  return {
    search: search('merge a pull request'),
    'search for what all have': search('the user needs the rights to do something in a workspace with this id'),
  }
}

async function untilListed(pool: Pool, list: Ask): Promise<void> {
  const wanted = Number(values.servers) * Number(values.tools)
  for (let attempt = 0; attempt < 60; attempt += 1) {
    const { tools } = JSON.parse((await send(pool, list)).text)
    if (tools.length === wanted) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`the gateway does not list ${wanted} tools`)
}

async function send(pool: Pool, { path, headers, body }: Ask): Promise<{ text: string; bytes: number }> {
  const answer = await pool.request({ path, method: body === undefined ? 'GET' : 'POST', headers, body: body ?? null })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${text.slice(0, 200)}`)
  return { text, bytes: Buffer.byteLength(text) }
}

async function run(target: string, { pool, pid, ask }: { pool: Pool; pid: number; ask: Ask }): Promise<Measured> {
  const latencies: number[] = []
  let bytes = 0
  const before = cpuOfThreads(pid)
  for (let request = 0; request < requests; request += 1) {
    const started = performance.now()
    bytes = (await send(pool, ask)).bytes
    latencies.push(performance.now() - started)
  }
  const cpuMilliseconds = cpuSince(before, pid).all / 1_000 / requests
  latencies.sort((left, right) => left - right)
  const at = (share: number) => latencies[Math.min(requests - 1, Math.floor(requests * share))] ?? Number.NaN
  return { target, bytes, p50Milliseconds: at(0.5), p99Milliseconds: at(0.99), cpuMilliseconds }
}

function report(results: readonly Measured[]): void {
  console.log(`${requests} requests a round, one at a time, medians of ${rounds} interleaved rounds\n`)
  console.log(`${' '.repeat(36)}bytes    p50 ms    p99 ms  CPU ms`)
  for (const target of new Set(results.map((result) => result.target))) {
    const own = results.filter((result) => result.target === target)
    const of = (pick: (result: Measured) => number) => median(own.map(pick))
    const columns = [
      String(of(({ bytes }) => bytes)).padStart(8),
      of(({ p50Milliseconds }) => p50Milliseconds)
        .toFixed(2)
        .padStart(10),
      of(({ p99Milliseconds }) => p99Milliseconds)
        .toFixed(2)
        .padStart(10),
      of(({ cpuMilliseconds }) => cpuMilliseconds)
        .toFixed(2)
        .padStart(8),
    ]
    console.log(target.padEnd(33) + columns.join(''))
  }
}
