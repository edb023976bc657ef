import type { Requirement } from './requirements.ts'

/**
 * What real clients trip over, measured with them: line for line, the ones that break most of them first. Names of tools have ids of
 * their own: `names:never-guessed` and `llm:` ones. Part of `requirements.ts`.
 */
export const clientRequirements = {
  'clients:probe': {
    status: 'held',
    statement:
      'The first question of a client that tries the newest version is answered at once, in words that it can fall back from.',
  },
  'clients:speed': {
    status: 'held',
    statement: 'Handshake and list take a second at most, in every era, also while a server hangs.',
  },
  'clients:session-loss': {
    status: 'held',
    statement: 'No session is lost with a gateway; one that is over is a 404 and never a 400, and none is needed.',
  },
  'clients:streams': {
    status: 'held',
    statement: 'A client that opens a stream, with a session or without, never hears 400.',
  },
  'clients:bad-tool': {
    status: 'held',
    statement: 'A tool that would cost a client the whole list is left out, by name, or put into words that it takes.',
  },
  'clients:one-page': { status: 'held', statement: 'A thousand items come on one page.' },
  'clients:whole-tools': {
    status: 'held',
    statement: 'Titles, annotations, output schemas and `_meta` of tools get through, and instructions of servers.',
  },
  'clients:prefixes': {
    status: 'held',
    statement:
      'A prefix is understood wherever a name stands, completions and headers included, and no server sees it.',
  },
  'clients:refusals': {
    status: 'held',
    statement: 'Whoever is refused, or looks for a sign-in, is answered at once and in JSON.',
  },
  'clients:left-at-completion': {
    status: 'held',
    statement:
      'A client that closes the stream once its response is completed was served, and is not recorded as gone.',
  },
} as const satisfies Record<string, Requirement>
