import { expect, it } from 'vitest'
import { readServerEvents } from './sse.ts'

/** What a provider sends that never ends, a million characters at a time. */
async function* endless(piece: string) {
  for (;;) yield Buffer.from(piece)
}

it.each([`data: ${'x'.repeat(1_000_000)}\n\n`, `{${' '.repeat(1_000_000)}`])(
  'a stream without end is an error, and not put together for ever (%#)',
  async (piece) => {
    const read = async () => {
      for await (const _event of readServerEvents(endless(piece)));
    }
    await expect(read()).rejects.toMatchObject({ code: 'PROVIDER_PROTOCOL' })
  },
)
