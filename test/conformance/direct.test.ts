import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { describe, expect, it } from 'vitest'
import { judgeServer } from './run-suite.ts'
import { suiteNames, suites } from './suites.ts'

describe('the fixture server by itself, the baseline for what is judged through the gateway', () => {
  it.for(suiteNames)('passes the suite %s', { timeout: 120_000 }, async (suite) => {
    await using server = await startConformanceServer()
    const report = await judgeServer(suite, server.url)
    expect(report.failures).toEqual({})
    expect(report.scenarios).toHaveLength(suites[suite].scenarios)
    expect(report.exitCode).toBe(0)
    // Tasks are an extension that neither the SDK nor the fixture has.
    expect(Object.keys(report.unscored).filter((scenario) => !scenario.startsWith('tasks-'))).toEqual([])
  })
})
