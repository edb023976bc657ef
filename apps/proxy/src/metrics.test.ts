import { expect, it } from 'vitest'
import { createMetrics } from './metrics.ts'

it('shows every request and call there was, whenever it is asked', async () => {
  const metrics = createMetrics()
  const observe = (requests: number) => {
    for (let request = 0; request < requests; request += 1) {
      metrics.observeRequest({ door: 'mcp', method: 'POST', status: 200, seconds: 0.002 })
      metrics.observeCall({ kind: 'tool_call', server: 'github', outcome: 'ok', seconds: 0.5 })
    }
  }
  observe(1)
  metrics.observeRequest({ door: 'mcp', method: 'POST', status: 401, seconds: 20 })
  await metrics.render()
  observe(999)
  const lines = (await metrics.render()).split('\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      'toolgate_requests_total{door="mcp",method="POST",status="200"} 1000',
      'toolgate_requests_total{door="mcp",method="POST",status="401"} 1',
      'toolgate_request_duration_seconds_bucket{le="0.0025",door="mcp"} 1000',
      'toolgate_request_duration_seconds_bucket{le="30",door="mcp"} 1001',
      'toolgate_request_duration_seconds_count{door="mcp"} 1001',
      'toolgate_calls_total{kind="tool_call",server="github",outcome="ok"} 1000',
      'toolgate_call_duration_seconds_sum{kind="tool_call",server="github"} 500',
    ]),
  )
})
