import type { Requirement } from './requirements.ts'

/** Of how upstreams are reached and what they are presented. */
export const upstreamRequirements = {
  'm2m:client-proof': {
    status: 'held',
    statement:
      'A client proves itself with its secret, in the body or as Basic, or with an assertion signed by its key for that endpoint alone.',
  },
  'm2m:discovery': {
    status: 'held',
    statement:
      'A token endpoint that is not given is found through checked metadata, and no secret goes where only an upstream points.',
  },
  'identity:explained': {
    status: 'held',
    statement:
      'For a key, a server and a tool the gateway tells which rule decides and whose credential would be presented, and shows no secret.',
  },
  'identity:user-keys': {
    status: 'held',
    statement:
      'At a server that takes keys of its users, each call presents the caller’s own key as the server’s method writes it, and none is made for whoever has set none.',
  },
  'identity:user-variables': {
    status: 'held',
    statement:
      'Variables that a server declares for users are set by each, sealed, filled in for that user alone, and named with the place to set them where they are missing.',
  },
  'identity:request-templates': {
    status: 'held',
    statement:
      'Headers of a request fill in what the operator wrote for them, in headers and in the environment of a process of that caller’s own, and nothing else does.',
  },
  'openapi:faithful': {
    status: 'held',
    pain: 31,
    statement: 'Tools made from an OpenAPI document keep its names, references and limits.',
  },
} as const satisfies Readonly<Record<string, Requirement>>
