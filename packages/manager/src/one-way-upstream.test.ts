import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'

/** Every source file of the product, by its path inside `src`. */
async function sources(): Promise<ReadonlyMap<string, string>> {
  const root = import.meta.dirname
  const files = (await readdir(root, { recursive: true })).filter(
    (path) => path.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(path),
  )
  return new Map(
    await Promise.all(files.map(async (path) => [path, await readFile(join(root, path), 'utf8')] as const)),
  )
}

const holding = (files: ReadonlyMap<string, string>, pattern: RegExp) =>
  [...files].flatMap(([path, text]) => (pattern.test(text) ? [path] : [])).toSorted()

it('only the spine and discovery borrow connections, through one file, and sessions those that are theirs', async () => {
  const files = await sources()
  expect(holding(files, /\.acquire\(/)).toEqual(['with-connection.ts'])
  expect(holding(files, /\.ofSession\(/)).toEqual(['sessions/session-upstreams.ts'])
  expect(holding(files, /from '[./]+with-connection\.ts'/)).toEqual(['catalog/discovery.ts', 'exchange.ts'])
  expect(holding(files, /\bexchanging\(/)).toEqual(['exchange.ts', 'gateway.ts'])
  expect(holding(files, /from '[./]+discovery\.ts'/)).toEqual(['catalog/preview.ts', 'catalog/refresh.ts'])
})

it('only authorize makes an authorized call', async () => {
  expect(holding(await sources(), /\bas AuthorizedCall\b/)).toEqual(['authorize.ts'])
})
