import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { verifies } from './verifies.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const serviceSchema = z.looseObject({
  environment: z.record(z.string(), z.string()),
  volumes: z.array(z.string()).min(1),
  healthcheck: z.looseObject({ test: z.array(z.string()).min(2) }).optional(),
  depends_on: z.record(z.string(), z.looseObject({ condition: z.string() })).default({}),
  ports: z.array(z.string()).default([]),
  stop_grace_period: z.string().optional(),
})
const compose = z
  .looseObject({
    services: z.record(z.string(), serviceSchema),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read('docker-compose.yml')))

/** The instructions of the last stage, continuation lines joined. */
const instructions = read('Dockerfile')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    return { name, rest }
  })
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))

function composeCommand(): string[] | undefined {
  const candidates = [['docker-compose'], ['docker', 'compose']]
  return candidates.find(([command = '', ...rest]) => spawnSync(command, [...rest, 'version']).status === 0)
}

describe('docker-compose.yml', () => {
  verifies('container:static', 'has the gateway wait for a Postgres that says it is well, and checks both', () => {
    expect(Object.keys(compose.services).toSorted()).toEqual(['postgres', 'toolgate'])
    expect(compose.services['toolgate']?.depends_on).toEqual({ postgres: { condition: 'service_healthy' } })
    expect(compose.services['postgres']?.healthcheck?.test.join(' ')).toContain('pg_isready')
    const ownCheck = compose.services['toolgate']?.healthcheck !== undefined
    expect(ownCheck || lastStage.some(({ name }) => name === 'HEALTHCHECK')).toBe(true)
  })

  verifies('container:static', 'holds no secret: each comes from the environment and its absence is an error', () => {
    const variables = Object.values(compose.services).flatMap(({ environment }) => Object.entries(environment))
    const secret = variables.filter(([name]) => /KEY|PASSWORD|URL|SECRET|TOKEN/.test(name))
    expect(secret.map(([name]) => name).toSorted()).toEqual([
      'DATABASE_URL',
      'LITELLM_MASTER_KEY',
      'POSTGRES_PASSWORD',
      'TOOLGATE_ENCRYPTION_KEY',
    ])
    for (const [, value] of secret) expect(value).toMatch(/\$\{[A-Z_]+:\?[^}]+\}/)
    expect(read('docker-compose.yml')).not.toMatch(/\$\{[A-Z_]+\}|\$\{[A-Z_]+:-/)
  })

  verifies(
    'container:static',
    'keeps what must survive in volumes that it declares, and opens no port to the network',
    () => {
      const named = Object.values(compose.services)
        .flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0] ?? ''))
        .filter((source) => !source.startsWith('.'))
      expect(named.toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
      const ports = Object.values(compose.services).flatMap(({ ports: published }) => published)
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
    },
  )

  verifies('container:static', 'gives a stop longer than the gateway may take for it', () => {
    const drainMs = Number(/drainTimeoutMs = ([\d_]+)/.exec(read('apps/proxy/src/start.ts'))?.[1]?.replaceAll('_', ''))
    // Then connections, ledger and store have 5, 5 and 2 seconds.
    const closingMs = 12_000
    const graceMs = 1000 * Number(/^(\d+)s$/.exec(compose.services['toolgate']?.stop_grace_period ?? '')?.[1])
    expect(graceMs).toBeGreaterThan(drainMs + closingMs)
  })

  verifies('container:static', 'satisfies the linter of compose files', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/dclint/bin/dclint.cjs'), '--formatter', 'json', 'docker-compose.yml'],
      { cwd: root, encoding: 'utf8' },
    )
    expect({ status, stderr, report: stdout }).toMatchObject({ status: 0 })
    const report = z.array(z.looseObject({ errorCount: z.number() })).parse(JSON.parse(stdout))
    expect(report.map(({ errorCount }) => errorCount)).toEqual([0])
  })

  const command = composeCommand()
  if (command === undefined) console.warn('Skipped: docker-compose config, needs docker-compose.')
  it.runIf(command !== undefined)('is what docker-compose understands, and nothing without its secrets', () => {
    const [program = '', ...rest] = command ?? []
    const config = (secrets: Record<string, string>) =>
      spawnSync(program, [...rest, '-f', 'docker-compose.yml', '--env-file', '/dev/null', 'config', '-q'], {
        cwd: root,
        env: { PATH: process.env['PATH'], ...secrets },
        encoding: 'utf8',
      })
    const secrets = { POSTGRES_PASSWORD: 'a', LITELLM_MASTER_KEY: 'b', TOOLGATE_ENCRYPTION_KEY: 'c' }
    expect(config(secrets)).toMatchObject({ status: 0 })
    for (const name of Object.keys(secrets)) {
      const { status, stderr } = config({ ...secrets, [name]: '' })
      expect(status).not.toBe(0)
      expect(stderr).toContain(`set ${name}`)
    }
  })
})

describe('Dockerfile', () => {
  const restOf = (wanted: string, among = instructions) =>
    among.filter(({ name }) => name === wanted).map(({ rest }) => rest)

  verifies(
    'container:static',
    'runs without root, from where everything is installed on, and checks its health',
    () => {
      const user = lastStage.findIndex(({ name }) => name === 'USER')
      expect(lastStage[user]?.rest).toBe('node')
      for (const { name } of lastStage.slice(user)) expect(['RUN', 'COPY', 'ADD']).not.toContain(name)
      expect(restOf('HEALTHCHECK', lastStage).join()).toContain('/health/readiness')
      expect(restOf('ENTRYPOINT', lastStage).join()).toMatch(/^\["node", /)
      for (const copied of restOf('COPY', lastStage)) expect(copied).toContain('--chown=node:node')
    },
  )

  verifies('container:static', 'installs what the lockfile says with the pnpm of the repository', () => {
    const { packageManager: pnpm } = z
      .looseObject({ packageManager: z.string() })
      .parse(JSON.parse(read('package.json')))
    expect(pnpm).toMatch(/^pnpm@\d+\.\d+\.\d+$/)
    const installs = restOf('RUN').filter((command) => /pnpm|npm /.test(command))
    expect(installs).toHaveLength(1)
    expect(installs[0]).toContain(`npx -y ${pnpm} install --frozen-lockfile`)
    for (const image of restOf('FROM')) expect(image).toMatch(/^node:24-slim( AS \w+)?$/)
  })

  verifies('container:static', 'holds no secret', () => {
    for (const declared of [...restOf('ENV'), ...restOf('ARG')]) {
      expect(declared).not.toMatch(/KEY|SECRET|TOKEN|PASSWORD|DATABASE_URL/i)
    }
  })

  verifies('container:static', 'copies what exists and is not ignored, and all that the server reads', () => {
    const ignored = read('.dockerignore').trim().split('\n')
    const sources = restOf('COPY')
      .filter((copied) => !copied.includes('--from='))
      .flatMap((copied) =>
        copied
          .split(/\s+/)
          .filter((part) => !part.startsWith('--'))
          .slice(0, -1),
      )
    expect(sources.filter((source) => !existsSync(join(root, source)))).toEqual([])
    expect(sources.filter((source) => ignored.some((pattern) => matchesGlob(source, pattern)))).toEqual([])
    // `pnpm install` reads the manifest of every package, the server its own files, the migrations and a configuration.
    for (const needed of [
      'pnpm-lock.yaml',
      'pnpm-workspace.yaml',
      'patches',
      'package.json',
      'migrations',
      'config.yaml',
    ]) {
      expect(sources).toContain(needed)
    }
    const manifests = globSync('{apps,packages}/*/package.json', { cwd: root })
    expect(manifests.filter((file) => !sources.includes(file.split('/')[0] ?? ''))).toEqual([])
  })

  verifies(
    'container:static',
    'never sees history, installed packages, keys or data of the machine it is built on',
    () => {
      const ignored = read('.dockerignore').trim().split('\n')
      const paths = ['.git', 'node_modules', 'apps/proxy/node_modules', '.toolgate', '.env']
      expect(paths.filter((path) => !ignored.some((pattern) => matchesGlob(path, pattern)))).toEqual([])
    },
  )
})

describe('what else a stranger relies on', () => {
  verifies('container:static', 'the lockfile names no registry and no address of a package', () => {
    const lockfile = read('pnpm-lock.yaml')
    expect(lockfile).not.toMatch(/tarball:|https?:\/\/|registry/)
    expect(lockfile).toMatch(/resolution: \{integrity: sha512-/)
  })

  verifies('container:static', '.ci/run can be executed and ends with the test command of the README', () => {
    expect(statSync(join(root, '.ci/run')).mode & 0o111).toBe(0o111)
    const [, command] = /## Test it\n+```sh\n(.+)\n```/.exec(read('README.md')) ?? []
    expect(command).toMatch(/^npx -y pnpm@\S+ test$/)
    const lines = read('.ci/run').trim().split('\n')
    expect(lines.at(-1)).toBe(command)
    expect(lines.filter((line) => /pnpm|vitest|npm /.test(line))).toEqual([command])
    expect(spawnSync('bash', ['-n', join(root, '.ci/run')]).status).toBe(0)
  })
})
