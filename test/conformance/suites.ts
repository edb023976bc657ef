import { createRequire } from 'node:module'

const resolve = createRequire(import.meta.url).resolve
const current = resolve('@modelcontextprotocol/conformance/dist/index.js')
const next = resolve('mcp-conformance-next/dist/index.js')

/**
 * The official suites: the released one, and the frozen requirements of two revisions that only its successor has. Each
 * with the number of scenarios that count: a suite that silently ran fewer would prove less.
 */
export const suites = {
  released: { program: current, selection: ['--suite', 'all'], scenarios: 32 },
  '2025-11-25': { program: next, selection: ['--requirements', '2025-11-25'], scenarios: 30 },
  '2026-07-28': { program: next, selection: ['--requirements', '2026-07-28'], scenarios: 37 },
} as const

export type SuiteName = keyof typeof suites

export const suiteNames = ['released', '2025-11-25', '2026-07-28'] as const satisfies readonly SuiteName[]
