import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const packageFolder = join(import.meta.dirname, '..')

it('the migrations hold the whole schema: generating again adds none', async () => {
  const out = await mkdtemp(join(tmpdir(), 'toolgate-migrations-'))
  await cp(join(packageFolder, '..', '..', 'migrations'), out, { recursive: true })
  const before = await readdir(out)
  const schema = join(packageFolder, 'src', 'schema', '*.ts')
  const kit = join(packageFolder, 'node_modules', '.bin', 'drizzle-kit')
  await promisify(execFile)(kit, ['generate', '--dialect', 'postgresql', '--schema', schema, '--out', out], {
    cwd: out,
  })
  expect(await readdir(out)).toEqual(before)
  await rm(out, { recursive: true })
})
