import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { startJudgedGateway } from './judged-gateway.ts'
import { judgeServer } from './run-suite.ts'
import { suiteNames, suites } from './suites.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Without prefixes: the names are part of the suites. */
const doors = { 'the endpoint of one server': '/fixture/mcp', 'the aggregate': '/mcp' } as const

for (const [door, path] of Object.entries(doors)) {
  describe(`${door} passes, as the server behind it does by itself,`, () => {
    for (const suite of suiteNames) {
      verifies('mcp:conformance', `the official suite ${suite}`, async () => {
        await using gateway = await startJudgedGateway()
        const report = await judgeServer(suite, gateway.origin + path)
        expect(report.failures).toEqual({})
        expect(report.scenarios).toHaveLength(suites[suite].scenarios)
        expect(report.exitCode).toBe(0)
        // Tasks are an extension that the fixture does not have either.
        expect(Object.keys(report.unscored).filter((scenario) => !scenario.startsWith('tasks-'))).toEqual([])
        // The fixture answers nobody but the gateway; its ledger says the same from the other side.
        await vi.waitFor(async () => {
          const asked = await gateway.askedOfFixture()
          for (const name of ['test_simple_text', 'test_simple_prompt']) expect(asked).toContain(name)
        })
      })
    }
  })
}
