/**
 * What the SDK-built servers of the tests offer, described once so that every kind of server answers alike.
 */
export const fixtureTools = [
  { name: 'echo', description: 'Returns `message`.', inputSchema: { type: 'object' as const } },
  { name: 'whoami', description: 'Returns the credential of this request.', inputSchema: { type: 'object' as const } },
  { name: 'count', description: 'Reports progress `steps` times.', inputSchema: { type: 'object' as const } },
  { name: 'confirm', description: 'Asks the user, returns the answer.', inputSchema: { type: 'object' as const } },
  { name: 'wait', description: 'Ends only when cancelled.', inputSchema: { type: 'object' as const } },
  { name: 'fail', description: 'Returns a tool error.', inputSchema: { type: 'object' as const } },
]

/** What a tool may do besides answering. */
export interface FixtureContext {
  readonly headers: { get(name: string): string | null | undefined }
  readonly signal: AbortSignal
  progress(done: number, total: number): Promise<void>
  elicit(message: string): Promise<object>
}

/** Runs a fixture tool. An unknown name is a tool error, so that a test sees what was asked for. */
export async function callFixtureTool(
  name: string,
  args: Readonly<Record<string, unknown>>,
  context: FixtureContext,
): Promise<{ content: { type: 'text'; text: string }[]; isError?: boolean }> {
  switch (name) {
    case 'echo':
      return textResult(String(args['message']))
    case 'whoami':
      return textResult(context.headers.get('authorization') ?? 'nobody')
    case 'count': {
      const steps = Number(args['steps'] ?? 3)
      for (let step = 1; step <= steps; step += 1) await context.progress(step, steps)
      return textResult(`counted to ${steps}`)
    }
    case 'confirm':
      return textResult(JSON.stringify(await context.elicit('Sure?')))
    case 'wait':
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }))
      return textResult('cancelled')
    case 'fail':
      return { ...textResult('it did not work'), isError: true }
    default:
      return { ...textResult(`no tool "${name}"`), isError: true }
  }
}

/** The form that `confirm` shows. */
export const confirmForm = {
  type: 'object' as const,
  properties: { sure: { type: 'boolean' as const } },
  required: ['sure'],
}

function textResult(text: string) {
  return { content: [{ type: 'text' as const, text }] }
}
