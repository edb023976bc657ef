/**
 * Preloaded into a gateway. From one SIGUSR2 to the next it samples what is allocated and outlives every collection of young
 * memory, and then writes the bytes of it into the file that SURVIVORS_FILE names. Needs `--expose-gc`.
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import process from 'node:process'
import { isMainThread } from 'node:worker_threads'

interface Sampled {
  readonly selfSize: number
  readonly children: readonly Sampled[]
}

const file = process.env['SURVIVORS_FILE']
const { gc } = globalThis

if (isMainThread && file !== undefined && gc !== undefined) {
  const session = new Session()
  session.connect()
  let isSampling = false
  process.on('SIGUSR2', () => {
    isSampling = !isSampling
    void (isSampling ? begin() : end())
  })

  const begin = async () => {
    // Whatever is under way becomes old at once: what hangs on it then must not grow old with it.
    gc()
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 4096,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: false,
    })
    writeFileSync(file, '')
  }

  const end = async () => {
    gc({ type: 'minor' })
    const { profile } = await session.post('HeapProfiler.stopSampling')
    writeFileSync(file, String(bytesOf(profile.head)))
  }
}

function bytesOf({ selfSize, children }: Sampled): number {
  return children.reduce((bytes, child) => bytes + bytesOf(child), selfSize)
}
