import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDataFolder } from './data-folder-lock.ts'
import { migrate } from './migrate.ts'
import { openDatabase } from './open-database.ts'
import { sealingKeys } from './schema/sealing-keys.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgate-data-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the embedded database of a data folder', () => {
  it('is there again after a restart, and readable by its owner only', async () => {
    const dataDir = join(folder, 'made', 'by-us')
    const first = await openDatabase({ dataDir })
    await migrate(first)
    await first.db.insert(sealingKeys).values({ keyId: 'k1', checkValue: 'sealed' })
    await first.close()
    const second = await openDatabase({ dataDir })
    await migrate(second)
    expect(await second.db.select().from(sealingKeys)).toMatchObject([{ keyId: 'k1', checkValue: 'sealed' }])
    await expect(openDatabase({ dataDir })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await second.close()
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
  })
})

describe.runIf(process.platform === 'linux')('the lock of a data folder', () => {
  it('refuses a second process by naming the first, and is free once that was killed', async () => {
    const holder = spawn(process.execPath, ['--input-type=module', '-e', holdLock(folder)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [line] = await once(createInterface({ input: holder.stdout }), 'line')
    expect(line).toBe('held')
    await expect(lockDataFolder(folder)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`${folder} is in use by process ${holder.pid}.`),
    })
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const lock = await lockDataFolder(folder)
    await lock.release()
  })

  it('is not held by a file that a former process left, even where its number is in use again', async () => {
    await writeFile(join(folder, 'toolgate.lock'), String(process.pid))
    const lock = await lockDataFolder(folder)
    await expect(lockDataFolder(folder)).rejects.toThrow('in use by')
    await lock.release()
  })

  it('is the same through a symbolic link', async () => {
    const link = `${folder}-link`
    await symlink(folder, link)
    const lock = await lockDataFolder(folder)
    await expect(lockDataFolder(link)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await lock.release()
    await rm(link)
  })
})

describe('the lock of a data folder without abstract sockets', () => {
  const processFile = () => join(folder, 'toolgate.lock')

  it('refuses while the process in its file lives', async () => {
    const lock = await lockDataFolder(folder, 'darwin')
    expect(await readFile(processFile(), 'utf8')).toBe(String(process.pid))
    await expect(lockDataFolder(folder, 'darwin')).rejects.toThrow(`in use by process ${process.pid}`)
    await lock.release()
    await (await lockDataFolder(folder, 'darwin')).release()
  })

  it('takes over from a process that is gone', async () => {
    const gone = spawn(process.execPath, ['-e', ''])
    await once(gone, 'exit')
    await writeFile(processFile(), String(gone.pid))
    const lock = await lockDataFolder(folder, 'darwin')
    expect(await readFile(processFile(), 'utf8')).toBe(String(process.pid))
    await lock.release()
  })
})

function holdLock(folder: string): string {
  const source = JSON.stringify(join(import.meta.dirname, 'data-folder-lock.ts'))
  return `const { lockDataFolder } = await import(${source})
    await lockDataFolder(${JSON.stringify(folder)})
    process.stdin.resume()
    console.log('held')`
}
