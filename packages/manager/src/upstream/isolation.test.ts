import { callerOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { clientCapabilitiesFor, isolationFor, wantedEra } from './isolation.ts'

const { transport: always } = serverOf({ id: 'any' })
const http = { ...always, sharing: 'unless-sessionful' } as const
const withElicitation = callerOf({
  peer: {
    ...callerOf().peer,
    sessionId: 'down-1',
    capabilities: { elicitation: { url: {} }, sampling: {}, other: {} },
  },
})

describe('how far a connection is shared', () => {
  const unknown = serverOf({ id: 'a', transport: http })
  const asking = serverOf({ id: 'a', allowElicitation: true })
  const [perCall, perSession] = [serverOf({ id: 'a', isolation: 'call' }), serverOf({ id: 'a', isolation: 'session' })]
  const [ann, sessionless] = [callerOf(), true]

  it.each([
    ['everyone, where the transport keeps one state for all', { server: serverOf({ id: 'a' }), caller: ann }, 'server'],
    ['one principal, while nobody knows of sessions', { server: unknown, caller: ann }, 'principal'],
    ['everyone, once it is known to keep no session', { server: unknown, caller: ann, sessionless }, 'server'],
    ['one session, where the server may ask the client', { server: asking, caller: withElicitation }, 'session'],
    ['everyone, where it may not', { server: unknown, caller: withElicitation, sessionless }, 'server'],
    ['whom the operator says', { server: perCall, caller: withElicitation }, 'call'],
    ['one principal, where a session is declared and there is none', { server: perSession, caller: ann }, 'principal'],
    ['discovery, whatever is declared', { server: perCall, caller: undefined }, 'server'],
  ])('%s', (_name, request, expected) => {
    expect(isolationFor({ sessionless: false, ...request })).toBe(expected)
  })

  const modernClient = callerOf({ peer: { ...withElicitation.peer, sessionId: undefined, era: 'modern' } })

  it.each([
    ['everyone, where nothing is kept', { server: unknown, caller: ann, era: 'modern' }, 'server'],
    ['everyone, also where the client can be asked', { server: asking, caller: modernClient, era: 'modern' }, 'server'],
    ['one call of a modern client that a legacy server may ask', { server: asking, caller: modernClient }, 'call'],
    [
      'one call, where a session is declared',
      { server: { ...asking, isolation: 'session' }, caller: modernClient },
      'call',
    ],
  ] as const)('in the modern era is %s', (_name, request, expected) => {
    expect(isolationFor({ sessionless: false, ...request })).toBe(expected)
  })

  it('is not one call for roots, which nearly every client has', () => {
    const peer = { ...modernClient.peer, capabilities: { roots: {} } }
    expect(isolationFor({ server: asking, caller: callerOf({ peer }), sessionless: true })).toBe('server')
  })

  it.each([
    ['a session', withElicitation, 'legacy'],
    ['a modern client', modernClient, 'modern'],
    ['a caller of another door', ann, 'modern'],
    ['discovery', undefined, 'modern'],
  ] as const)('of two eras is the one that suits %s', (_name, caller, era) => {
    expect(wantedEra(caller)).toBe(era)
  })

  it('is one session for roots, which need no permission', () => {
    const caller = callerOf({ peer: { ...callerOf().peer, sessionId: 'down-1', capabilities: { roots: {} } } })
    expect(isolationFor({ server: serverOf({ id: 'a' }), caller, sessionless: true })).toBe('session')
  })
})

describe('what is declared to the server', () => {
  it('is what the client can do and the server may use, as the client wrote it', () => {
    const server = serverOf({ id: 'a', allowElicitation: true })
    expect(clientCapabilitiesFor('session', { server, caller: withElicitation })).toEqual({ elicitation: { url: {} } })
  })

  it.each(['server', 'principal'] as const)('is nothing on a connection that others share: %s', (kind) => {
    const server = serverOf({ id: 'a', allowElicitation: true, allowSampling: true })
    expect(clientCapabilitiesFor(kind, { server, caller: withElicitation })).toEqual({})
  })
})
