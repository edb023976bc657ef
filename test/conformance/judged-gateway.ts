import { calls } from '@toolgate/db'
import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { openTestDatabase } from '@toolgate/testing/database'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { boot } from '../boot.ts'

export interface JudgedGateway extends AsyncDisposable {
  /** Where the suites reach it. They cannot send a key; this address adds one. */
  readonly origin: string
  /** What was asked of the fixture by its own names, as the gateway's ledger has it by now. */
  askedOfFixture(): Promise<ReadonlySet<string | null>>
}

const token = 'known to the gateway alone'

/** The fixture server, which refuses whoever does not know its token, behind a gateway that does. */
export async function startJudgedGateway(): Promise<JudgedGateway> {
  const behind = new AsyncDisposableStack()
  const fixture = behind.use(await startConformanceServer({ token }))
  const database = await openTestDatabase()
  const gateway = behind.use(
    await boot({
      database,
      config: {
        general_settings: { mcp_tool_prefix: 'never' },
        mcp_servers: {
          fixture: {
            url: fixture.url,
            auth_type: 'bearer_token',
            auth_value: token,
            isolation: 'session',
            allow_sampling: true,
            allow_elicitation: true,
          },
        },
      },
    }),
  )
  const { origin } = behind.use(
    await serveOnLoopback((request, env) => {
      env.incoming.rawHeaders.push('x-litellm-api-key', gateway.masterKey)
      return gateway.app.fetch(request, env)
    }),
  )
  return {
    origin,
    async askedOfFixture() {
      const rows = await database.db.select({ name: calls.targetName }).from(calls)
      return new Set(rows.map(({ name }) => name))
    },
    [Symbol.asyncDispose]: () => behind.disposeAsync(),
  }
}
