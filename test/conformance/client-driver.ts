/**
 * The command that a suite starts as its "client": it has no MCP of its own, but asks the process of the test to reach
 * the suite's server through a gateway, and ends when that has happened.
 */
const [control = '', url] = process.argv.slice(2)
const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: context } = process.env

const response = await fetch(control, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ scenario, url, context: JSON.parse(context ?? '{}') }),
})
if (!response.ok) {
  console.error(await response.text())
  process.exitCode = 1
}
