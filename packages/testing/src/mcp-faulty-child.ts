/**
 * A stdio MCP server that misbehaves in the way its argument names; run as a program by `mcp-faulty-stdio.ts`. Its first
 * act is to leave its process id in its working directory.
 */
import { spawn } from 'node:child_process'
import { closeSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { JsonObject } from '@toolgate/core'
import { answer, goodAnswer, textResult, tool } from './mcp-faulty-answers.ts'

type Reply = (message: JsonObject, good: JsonObject) => void

const say = (message: object | string) =>
  void process.stdout.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`)

let lastWritten = Promise.resolve()

/** Each piece when the one before it has gone; the pieces of two answers never mix. */
function writeApart(pieces: readonly Uint8Array[]): void {
  for (const piece of pieces) {
    lastWritten = lastWritten.then(
      () => new Promise((resolve) => process.stdout.write(piece, () => setImmediate(resolve))),
    )
  }
}

const onCalls =
  (reply: Reply): Reply =>
  (message, good) =>
    message['method'] === 'tools/call' ? reply(message, good) : say(good)

/** What one mood does at its start, and instead of answering well. */
const moods: Record<string, { start?: () => void; reply?: Reply }> = {
  dies_at_start: {
    start() {
      console.error(`cannot start with ${process.env['TOKEN']}`)
      process.exit(3)
    },
  },
  hangs_at_handshake: { reply: () => {} },
  hangs_at_list: { reply: (message, good) => (message['method'] === 'tools/list' ? undefined : say(good)) },
  hangs_in_call: { reply: onCalls(() => {}) },
  dies_mid_call: {
    reply: onCalls(() => {
      console.error(`dying with ${process.env['TOKEN']}`)
      process.exit(9)
    }),
  },
  prints_junk: {
    start() {
      for (const junk of ['Starting up …', '', '{', '[]', '{"jsonrpc":"1.0"}', '\u0000\u0001', 'x'.repeat(100_000)])
        say(junk)
    },
    reply(_message, good) {
      say('debug: about to answer')
      say(good)
      say('{"jsonrpc":"2.0"}')
    },
  },
  closes_stdout: { reply: onCalls(() => closeSync(1)) },
  floods_stderr: {
    reply: onCalls((_message, good) => {
      const flood = `${process.env['TOKEN']} ${'noise '.repeat(10_000)}\n`
      for (let count = 0; count < 100; count += 1) process.stderr.write(flood)
      say(good)
    }),
  },
  ignores_signals: {
    start() {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
      // Stays when stdin ends, too, and so does what it started.
      setInterval(() => {}, 60_000)
      const stubborn = "process.on('SIGTERM', () => {}); setInterval(() => {}, 60_000)"
      const grandchild = spawn(process.execPath, ['-e', stubborn], { stdio: 'ignore' })
      writeFileSync(String(grandchild.pid), '')
    },
  },
  answers_error: {
    reply: onCalls(({ id }) => {
      const data = { token: process.env['TOKEN'] }
      say({ jsonrpc: '2.0', id, error: { code: -32050, message: 'broken on purpose', data } })
    }),
  },
  answers_wrong_id: { reply: onCalls(({ id }) => say(answer(Number(id) + 1_000, textResult('not yours')))) },
  answers_twice: {
    reply: onCalls(({ id }) => {
      say(answer(id, textResult('the first')))
      say(answer(id, textResult('the second')))
    }),
  },
  splits_character: {
    reply: onCalls(({ id }) => {
      const bytes = Buffer.from(`${JSON.stringify(answer(id, textResult('half 🧨 whole')))}\n`)
      const middle = bytes.indexOf(Buffer.from('🧨')) + 2
      writeApart([bytes.subarray(0, middle), bytes.subarray(middle)])
    }),
  },
  nests_deep: {
    reply: onCalls(({ id }) =>
      say(
        `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`,
      ),
    ),
  },
  sends_10_mb: { reply: onCalls(({ id }) => say(answer(id, textResult('x'.repeat(10 * 1024 * 1024))))) },
  floods_changes: {
    reply: onCalls((_message, good) => {
      for (let count = 0; count < 5_000; count += 1) say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
      say(good)
    }),
  },
  same_cursor: {
    reply: (message, good) =>
      say(
        message['method'] === 'tools/list'
          ? answer(message['id'], { tools: [tool('echo')], nextCursor: 'again' })
          : good,
      ),
  },
}

writeFileSync(String(process.pid), '')
const mood = moods[process.argv[2] ?? ''] ?? {}
mood.start?.()
createInterface({ input: process.stdin }).on('line', (line) => {
  const message: JsonObject = JSON.parse(line)
  const good = goodAnswer(message)
  if (good !== undefined) (mood.reply ?? ((_message, well) => say(well)))(message, good)
})
