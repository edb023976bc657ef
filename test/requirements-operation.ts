import type { Requirement } from './requirements.ts'

/** How a gateway starts, goes on, fails and stops. Part of `requirements.ts`. */
export const operationRequirements = {
  'replicas:agree': {
    status: 'held',
    pain: 16,
    statement: 'A change on one replica holds on all within two seconds.',
  },
  'examples:run': {
    status: 'held',
    statement: 'Each example starts all its parties with one command and asserts what it shows.',
  },
  'encryption:rotates': {
    status: 'held',
    statement:
      'Everything that is sealed is sealed anew with another key while gateways go on; what is left is counted, and nothing is ever lost.',
  },
  'calls:leave-nothing': {
    status: 'held',
    statement: 'What a call needed is forgotten when it is over, and not when old memory is collected.',
  },
  'health:honest': {
    status: 'held',
    pain: 23,
    statement: 'Health probes as calls do, tells stage and reason, and never shows down as healthy.',
  },
  'ledger:every-field': {
    status: 'held',
    statement:
      'The row of a call names key, user, team, client, server, tool, kind and scope of the credential, outcome, stage and duration, through every door.',
  },
  'ledger:every-round': {
    status: 'held',
    pain: 24,
    statement: 'Every model round and every tool call is one row of one trace.',
  },
  'stdio:operator-only': {
    status: 'held',
    pain: 26,
    statement:
      'Only the configuration file names commands to run, and where it is switched on at start the API, from a list; they get a clean environment and no shell.',
  },
  'faults:contained': {
    status: 'held',
    pain: 32,
    statement: 'A failing upstream fails its own callers only, also when many call at once.',
  },
  'faults:every-door': {
    status: 'held',
    statement:
      'Whatever a server does wrong, each door answers with an error of its own that names server and stage, and healthy servers answer meanwhile.',
  },
  'faults:nothing-left-open': {
    status: 'held',
    statement: 'After failures and after load no socket, child process or timer is left.',
  },
  'load:many-servers': {
    status: 'held',
    statement:
      'With a hundred servers, some dead and some hanging, lists come within the deadline of the healthy ones and calls are never mixed up.',
  },
  'memory:bounded': { status: 'planned', pain: 33, statement: 'Memory stays flat under load and abandoned sessions.' },
  'timeouts:named': {
    status: 'held',
    pain: 34,
    statement: 'Each stage of a call has a bound, and its error names server and stage.',
  },
  'telemetry:one-outcome': { status: 'planned', pain: 35, statement: 'A good call leaves no error in telemetry.' },
  'start:one-command': {
    status: 'held',
    statement: 'One command starts a gateway whose printed commands work as printed; no key is printed or logged.',
  },
  'start:clear-failures': {
    status: 'held',
    statement:
      'A taken port, a locked folder, an unreachable database and a bad file end the start with one clear line.',
  },
  'stop:drains': {
    status: 'held',
    statement: 'A stop turns readiness first, lets calls finish, closes upstreams, writes the ledger and exits with 0.',
  },
  'config:seeds': {
    status: 'held',
    statement: 'The configurations that the project came from load and work as they are.',
  },
  'config:errors': {
    status: 'held',
    statement: 'A configuration error names file, path, kind of value and the nearest known key, never a secret.',
  },
  'reload:no-call-dropped': {
    status: 'held',
    statement:
      'A reload drops no call: those under way finish on what they began with, later ones see the changed file.',
  },
  'reload:all-or-nothing': {
    status: 'held',
    statement: 'A file with errors changes nothing and says where they are; one bad server is set aside alone.',
  },
  'reload:keys': {
    status: 'held',
    statement: 'A key that left the file stops within two seconds of the reload; others come and change with it.',
  },
  'reload:models': { status: 'held', statement: 'Models come, change and go with a reload.' },
  'reload:settings': {
    status: 'held',
    statement: 'Settings that can change while the gateway runs do; those that cannot are named as needing a restart.',
  },
  'reload:one-at-a-time': {
    status: 'held',
    statement: 'However many ask for a reload, one runs and at most one waits.',
  },
  'clock:jumps': {
    status: 'held',
    statement: 'When the clock is set, nothing hangs, and no key and no token is used past its life.',
  },
  'ledger:store-outage': {
    status: 'held',
    statement:
      'While the ledger cannot be written calls go on; rows wait within a bound, and what is lost is counted and said once.',
  },
  'process:faults-reported': {
    status: 'held',
    statement:
      'A promise that nobody handled is logged, counted and survived; an exception that nobody caught ends the process in order and as failed.',
  },
  'circuit:fails-fast': {
    status: 'held',
    statement:
      'A server that cannot be reached is refused at once, saying since when and until when, until one attempt reaches it.',
  },
  'storage:both-stores': { status: 'held', statement: 'Stores keep one contract on PGlite and on Postgres.' },
  'stdio:no-orphans': {
    status: 'held',
    statement: 'No child process of a stdio server outlives the gateway, however the gateway ended.',
  },
  'container:static': {
    status: 'held',
    statement: 'The compose file and the Dockerfile are valid, health-checked and run without root.',
  },
} as const satisfies Record<string, Requirement>
