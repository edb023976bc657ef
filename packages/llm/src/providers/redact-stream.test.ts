import { Secret } from '@toolgate/core'
import { expect, it } from 'vitest'
import { withoutKeyInErrors } from './redact-stream.ts'

const apiKey = 'sk-ümlaut-key'
const says = `data: {"content":"${apiKey} \\"error\\""}`
const fails = (key: string) => `data: {"error":{"message":"bad key ${key}"}}`

async function relayed(chunks: readonly Uint8Array[]) {
  const passed: Uint8Array[] = []
  const arriving = (async function* () {
    yield* chunks
  })()
  for await (const chunk of withoutKeyInErrors(arriving, [new Secret(apiKey)])) passed.push(chunk)
  return passed
}

it.each(['\n\n', '\r\n\r\n', '\r\r'])('takes the key out of an error, however its bytes arrive (%j)', async (end) => {
  const stream = Buffer.from([says, fails(apiKey), says, fails(apiKey)].join(end))
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const passed = await relayed([stream.subarray(0, cut), stream.subarray(cut)])
    expect(Buffer.concat(passed).toString()).toBe([says, fails('[redacted]'), says, fails('[redacted]')].join(end))
  }
})

it('passes whole events on at once and as they came', async () => {
  const chunks = [Buffer.from(`${says}\n\n`), Buffer.from(`: alive\n\n${says}\r\n\r\n`)]
  expect((await relayed(chunks)).map(String)).toEqual(chunks.map(String))
})

it('does not hold an event beyond its bound', async () => {
  const endless = Array.from({ length: 3 }, () => Buffer.alloc(600_000, 'x'))
  expect((await relayed(endless)).map(({ length }) => length)).toEqual([1_200_000, 600_000])
})
