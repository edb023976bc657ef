import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { median, type Round, runRound, type Target } from './load.ts'
import { createProcesses, freePort, source } from './processes.ts'

/**
 * Measures one tool call (1 KB result) at four places in one run, interleaved: at the upstream itself, through a bare undici
 * proxy, and through toolgate's `/mcp-rest/tools/call` and its `/mcp`, there within a session. All traffic is loopback, bounded in count; every process it
 * starts is ended by its id. Absolute numbers are the machine's; the ratios are the result.
 */
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '6000' },
    rounds: { type: 'string', default: '5' },
    'in-flight': { type: 'string', default: '32' },
    write: { type: 'string' },
  },
})
/** Rounds that are not counted: the first ten thousand calls of a process are the compiler's. */
const warmUpRounds = 3

const calls = Number(values.calls)
const inFlight = Number(values['in-flight'])
const rounds = Number(values.rounds)

const gatewayMain = source('../../apps/proxy/src/main.ts')
const folder = mkdtempSync(join(tmpdir(), 'toolgate-bench-'))
const processes = createProcesses()
const { start } = processes

try {
  const results = await measure()
  report(results)
  if (values.write !== undefined)
    writeFileSync(values.write, `${JSON.stringify({ calls, inFlight, rounds, results }, null, 2)}\n`)
} finally {
  await processes.end()
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<Round[]> {
  const upstreamPort = await freePort()
  const proxyPort = await freePort()
  const gatewayPort = await freePort()
  const masterKey = `sk-bench-${crypto.randomUUID()}`

  const config = join(folder, 'config.yaml')
  writeFileSync(config, `mcp_servers:\n  bench:\n    url: http://127.0.0.1:${upstreamPort}/mcp\n    auth_type: none\n`)
  const upstream = await start(source('upstream.ts'), [String(upstreamPort)], {})
  const proxy = await start(source('bare-proxy.ts'), [String(proxyPort), String(upstreamPort)], {})
  const gateway = await start(
    gatewayMain,
    ['--config', config, '--port', String(gatewayPort), '--data-dir', join(folder, 'data')],
    {
      LITELLM_MASTER_KEY: masterKey,
      LOG_LEVEL: 'warn',
    },
  )

  const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const targets: Target[] = [
    {
      name: 'direct',
      pid: upstream,
      origin: `http://127.0.0.1:${upstreamPort}`,
      path: '/mcp',
      headers: json,
      body: callOf('kilobyte'),
    },
    {
      name: 'bare proxy',
      pid: proxy,
      origin: `http://127.0.0.1:${proxyPort}`,
      path: '/mcp',
      headers: json,
      body: callOf('kilobyte'),
    },
    {
      name: 'toolgate',
      pid: gateway,
      origin: `http://127.0.0.1:${gatewayPort}`,
      path: '/mcp-rest/tools/call',
      headers: { ...json, 'x-litellm-api-key': masterKey },
      body: JSON.stringify({ server_id: 'bench', name: 'kilobyte', arguments: {} }),
    },
    {
      name: 'its /mcp',
      pid: gateway,
      origin: `http://127.0.0.1:${gatewayPort}`,
      path: '/mcp',
      headers: await inSession(`http://127.0.0.1:${gatewayPort}/mcp`, { ...json, 'x-litellm-api-key': masterKey }),
      body: callOf('bench-kilobyte'),
    },
  ]

  for (let round = 0; round < warmUpRounds; round += 1) {
    for (const target of targets) await runRound(target, { calls, inFlight })
  }
  const results: Round[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const target of targets) results.push(await runRound(target, { calls, inFlight }))
  }
  return results
}

function callOf(tool: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } })
}

/** The headers of requests within a session that is opened for them. */
async function inSession(url: string, headers: Record<string, string>): Promise<Record<string, string>> {
  const clientInfo = { name: 'bench', version: '1.0.0' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const answer = await fetch(url, { method: 'POST', headers, body })
  const session = answer.headers.get('mcp-session-id')
  if (session === null) throw new Error(`no session: ${answer.status} ${await answer.text()}`)
  return { ...headers, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }
}

function report(results: readonly Round[]): void {
  const summary = ['direct', 'bare proxy', 'toolgate', 'its /mcp'].map((name) => {
    const own = results.filter(({ target }) => target === name)
    const of = (pick: (round: Round) => number) => median(own.map(pick))
    return {
      name,
      cpu: of((round) => round.cpuMicrosecondsPerCall.all),
      requests: of((round) => round.cpuMicrosecondsPerCall.requests),
      database: of((round) => round.cpuMicrosecondsPerCall.database),
      rate: of((round) => round.callsPerSecond),
      p50: of((round) => round.p50Milliseconds),
      p99: of((round) => round.p99Milliseconds),
    }
  })
  console.log(`${calls} calls a round, ${inFlight} in flight, medians of ${rounds} interleaved rounds, 1 KB result\n`)
  console.log('            CPU µs/call: all  requests  database    calls/s    p50 ms    p99 ms')
  for (const { name, cpu, requests, database, rate, p50, p99 } of summary) {
    const columns = [
      cpu.toFixed(1).padStart(16),
      requests.toFixed(1).padStart(10),
      database.toFixed(1).padStart(10),
      rate.toFixed(0).padStart(11),
      p50.toFixed(2).padStart(10),
      p99.toFixed(2).padStart(10),
    ]
    console.log(name.padEnd(12) + columns.join(''))
  }
  const [, bare, ...doors] = summary
  if (bare === undefined) return
  for (const { name, rate, cpu } of doors) {
    const share = (rate / bare.rate).toFixed(2)
    console.log(`\n${name}: ${share} of the bare proxy's throughput, ${(cpu / bare.cpu).toFixed(2)} times its CPU`)
  }
}
