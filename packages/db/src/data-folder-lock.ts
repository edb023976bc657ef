/**
 * One process per data folder: two PGlite on one folder lose each other's writes without an error. On Linux the lock is
 * an abstract socket, which the kernel frees however the process ends; elsewhere a file holding the process id.
 * Containers that share a volume without sharing a network namespace do not see each other's lock; give each its own.
 */
import { createHash } from 'node:crypto'
import { open, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { GatewayError, isJsonObject } from '@toolgate/core'

export interface FolderLock {
  release(): Promise<void>
}

/** Takes the folder, which must exist. Rejects with `STORE_UNAVAILABLE` naming the process that has it. */
export async function lockDataFolder(folder: string, platform: string = process.platform): Promise<FolderLock> {
  const path = await realpath(folder)
  const processFile = join(path, 'toolgate.lock')
  return platform === 'linux' ? lockBySocket(path, processFile) : lockByFile(path, processFile)
}

async function lockBySocket(folder: string, processFile: string): Promise<FolderLock> {
  // A name may have 107 bytes, a path has more.
  const name = createHash('sha256').update(folder).digest('hex')
  const server = createServer((connection) => connection.destroy()).unref()
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen(`\0toolgate:${name}`, resolve)
  try {
    await listening
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    throw inUse(folder, await readProcessId(processFile))
  }
  await writeFile(processFile, String(process.pid), { mode: 0o600 })
  return {
    async release() {
      await rm(processFile, { force: true })
      const { promise: closed, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      await closed
    },
  }
}

async function lockByFile(folder: string, processFile: string): Promise<FolderLock> {
  if (!(await createProcessFile(processFile))) {
    const holder = await readProcessId(processFile)
    if (holder !== undefined && isAlive(holder)) throw inUse(folder, holder)
    // Its process is gone: it ended without a chance to remove the file.
    await rm(processFile, { force: true })
    if (!(await createProcessFile(processFile))) throw inUse(folder, await readProcessId(processFile))
  }
  return { release: () => rm(processFile, { force: true }) }
}

async function createProcessFile(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(String(process.pid))
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return false
  }
}

async function readProcessId(path: string): Promise<number | undefined> {
  try {
    const id = Number.parseInt(await readFile(path, 'utf8'), 10)
    return Number.isInteger(id) ? id : undefined
  } catch {
    // Missing or unreadable: only the message gets poorer.
    return undefined
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return codeOf(error) === 'EPERM'
  }
}

function inUse(folder: string, holder: number | undefined): GatewayError {
  const who = holder === undefined ? 'another process' : `process ${holder}`
  return new GatewayError(
    'STORE_UNAVAILABLE',
    `The data folder ${folder} is in use by ${who}. Stop it, or start with another folder (--data-dir).`,
  )
}

function codeOf(error: unknown): unknown {
  return isJsonObject(error) ? error['code'] : undefined
}
