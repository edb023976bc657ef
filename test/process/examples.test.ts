import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { repository } from './gateway-process.ts'

const folder = join(repository, 'examples')
const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() && entry.name !== 'shared' ? [entry.name] : [],
)

describe('an example', () => {
  for (const name of names) {
    verifies('examples:run', `${name} does what it says, with one command`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [join(folder, name, 'main.ts')])
      expect(stdout.split('\n').filter((line) => !line.startsWith('ok  '))).toEqual([''])
      expect(stdout.split('\n').length).toBeGreaterThan(4)
    })
  }
})
