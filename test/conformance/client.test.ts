import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { startClientControl } from './client-control.ts'
import { judgeClient } from './run-suite.ts'

vi.setConfig({ testTimeout: 240_000 })

const signingIn = [
  'auth/metadata-default',
  'auth/metadata-var1',
  'auth/metadata-var2',
  'auth/metadata-var3',
  'auth/basic-cimd',
  'auth/scope-from-www-authenticate',
  'auth/scope-from-scopes-supported',
  'auth/scope-omitted-when-undefined',
  'auth/scope-step-up',
  'auth/scope-retry-limit',
  'auth/token-endpoint-auth-basic',
  'auth/token-endpoint-auth-post',
  'auth/token-endpoint-auth-none',
  'auth/pre-registration',
]

/** Of an extension, which the suite does not score. */
const ownTokens = ['auth/client-credentials-basic', 'auth/client-credentials-jwt']

const revisions = [
  {
    revision: '2025-11-25',
    era: 'legacy',
    scenarios: ['initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'],
    signIns: signingIn,
  },
  {
    revision: '2026-07-28',
    era: 'modern',
    scenarios: [
      'tools_call',
      'request-metadata',
      'sep-2322-client-request-state',
      'http-standard-headers',
      'http-custom-headers',
      'http-invalid-tool-headers',
      'json-schema-ref-no-deref',
    ],
    signIns: [
      ...signingIn,
      'auth/resource-mismatch',
      'auth/offline-access-scope',
      'auth/offline-access-not-supported',
      'auth/authorization-server-migration',
      'auth/iss-supported',
      'auth/iss-not-advertised',
      'auth/iss-supported-missing',
      'auth/iss-wrong-issuer',
      'auth/iss-unexpected',
      'auth/iss-normalized',
      'auth/metadata-issuer-mismatch',
    ],
  },
] as const

describe('towards its upstreams the gateway passes, with a client in front of it,', () => {
  for (const { revision, era, scenarios, signIns } of revisions) {
    verifies(
      'mcp:conformance',
      `what the client suite ${revision} requires, of the protocol and of signing in`,
      async () => {
        await using control = await startClientControl(era)
        const report = await judgeClient(revision, control.url)
        // Many sign-ins are meant to fail, and what else is unscored of them are extensions that are not spoken here.
        const isProtocol = (text: string) => !text.startsWith('auth/')
        const notes = control.notes.filter(isProtocol)
        expect({ failing: report.failures, notes }).toEqual({ failing: {}, notes: [] })
        expect(report.scenarios.toSorted()).toEqual([...scenarios, ...signIns].toSorted())
        const isSpoken = (name: string) => isProtocol(name) || ownTokens.includes(name)
        expect(Object.entries(report.unscored).filter(([name]) => isSpoken(name))).toEqual([])
      },
    )
  }
})
