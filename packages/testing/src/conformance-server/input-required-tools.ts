import { randomBytes } from 'node:crypto'
import { acceptedContent, createRequestStateCodec, inputRequired } from '@modelcontextprotocol/server'
import { type FixtureTool, takes, text } from './fixture-tool.ts'
import { askColour, askConfirmation, askModel, askName, askRoots } from './input-requests.ts'

export interface RequestState {
  readonly tool: string
  readonly name?: string
}

export const requestStates = createRequestStateCodec<RequestState>({ key: randomBytes(32) })

/** Tools whose result asks for input, and that are called again with it: multi-round-trip requests of 2026-07-28. */
export const inputRequiredTools: readonly FixtureTool[] = [
  {
    name: 'test_input_required_result_elicitation',
    description: 'Greets whoever says a name.',
    inputSchema: takes({}),
    run({ context }) {
      const name = acceptedContent(context.mcpReq.inputResponses, 'user_name')?.['name']
      if (typeof name !== 'string') return inputRequired({ inputRequests: { user_name: askName } })
      return text(`Hello, ${name}!`)
    },
  },
  {
    name: 'test_input_required_result_sampling',
    description: 'Has the client’s model say the capital of France.',
    inputSchema: takes({}),
    run({ context }) {
      const answer = context.mcpReq.inputResponses?.['capital_question']
      if (answer === undefined) {
        return inputRequired({ inputRequests: { capital_question: askModel('What is the capital of France?', 100) } })
      }
      return text(`The model said ${JSON.stringify(answer)}`)
    },
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Repeats the roots of the client.',
    inputSchema: takes({}),
    run({ context }) {
      const roots = context.mcpReq.inputResponses?.['client_roots']
      if (roots === undefined) return inputRequired({ inputRequests: { client_roots: askRoots } })
      return text(`The roots are ${JSON.stringify(roots)}`)
    },
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks user, model and client at once.',
    inputSchema: takes({}),
    async run({ context }) {
      const answers = context.mcpReq.inputResponses ?? {}
      const requests = { user_name: askName, greeting: askModel('Generate a greeting', 50), client_roots: askRoots }
      const missing = Object.keys(requests).filter((key) => answers[key] === undefined)
      if (missing.length === 0) return text(`All inputs came: ${JSON.stringify(answers)}`)
      const requestState = await requestStates.mint({ tool: 'multiple_inputs' })
      return inputRequired({ inputRequests: requests, requestState })
    },
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, one after the other.',
    inputSchema: takes({}),
    async run({ context: { mcpReq } }) {
      const known = mcpReq.requestState<RequestState>()?.name
      const name = known ?? acceptedContent(mcpReq.inputResponses, 'step1')?.['name']
      if (typeof name !== 'string') {
        const requestState = await requestStates.mint({ tool: 'multi_round' })
        return inputRequired({ inputRequests: { step1: askName }, requestState })
      }
      const colour = acceptedContent(mcpReq.inputResponses, 'step2')?.['color']
      if (typeof colour !== 'string') {
        const requestState = await requestStates.mint({ tool: 'multi_round', name })
        return inputRequired({ inputRequests: { step2: askColour }, requestState })
      }
      return text(`${name} likes ${colour}.`)
    },
  },
  {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only for what the client can do.',
    inputSchema: takes({}),
    run({ context, capabilities }) {
      if (context.mcpReq.inputResponses !== undefined) return text('Thank you.')
      const inputRequests = {
        ...(capabilities.elicitation !== undefined && { user_name: askName }),
        ...(capabilities.sampling !== undefined && { greeting: askModel('Generate a greeting', 50) }),
        ...(capabilities.roots !== undefined && { client_roots: askRoots }),
      }
      return Object.keys(inputRequests).length === 0 ? text('Nothing to ask.') : inputRequired({ inputRequests })
    },
  },
  ...['request_state', 'tampered_state'].map(confirmWithState),
]

/** State that was changed on its way is refused by the SDK before a tool runs. */
function confirmWithState(tool: string): FixtureTool {
  return {
    name: `test_input_required_result_${tool}`,
    description: 'Asks for a confirmation and wants its state back.',
    inputSchema: takes({}),
    async run({ context: { mcpReq } }) {
      if (mcpReq.requestState<RequestState>()?.tool === tool && mcpReq.inputResponses?.['confirm'] !== undefined) {
        return text('state-ok')
      }
      const requestState = await requestStates.mint({ tool })
      return inputRequired({ inputRequests: { confirm: askConfirmation }, requestState })
    },
  }
}
