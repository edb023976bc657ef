import type { Requirement } from './requirements.ts'

/** What the MCP doors and the servers behind them promise; part of `requirements.ts`. */
export const mcpRequirements = {
  'mcp:no-redirects': {
    status: 'planned',
    pain: 13,
    statement: 'Protocol routes answer with and without a trailing slash and never redirect.',
  },
  'names:never-guessed': {
    status: 'held',
    pain: 29,
    statement:
      'An ambiguous tool name is refused with its candidates; names sent to models are valid, short and stable.',
  },
  'names:overrides': {
    status: 'held',
    statement:
      'A display name replaces a tool’s public name at every door and is refused where it means another tool as well; every known prefix is understood.',
  },
  'trust:held-until-approved': {
    status: 'held',
    statement:
      'A tool of a pinned server whose definition is new or changed is withheld from lists and calls, alone and with its reason, for every caller.',
  },
  'trust:approval': {
    status: 'held',
    statement:
      'Administrators see what changed, field by field, and approve or reject it; that is recorded, outlives a restart and holds on all replicas within two seconds.',
  },
  'search:no-trace-of-others': {
    status: 'held',
    statement: 'Which tools a search finds, and in which order, does not depend on tools that are not the caller’s.',
  },
  'search:large-catalogs': {
    status: 'held',
    pain: 36,
    statement:
      'Whoever has tool search lists two tools and nothing else, at every door; what they find and run is exactly what its own lists and calls would.',
  },
  'catalog:large': {
    status: 'held',
    statement:
      'A list that was made is answered again while nothing changed that it was made of, to whoever may see the same.',
  },
  'mcp:endpoints': {
    status: 'held',
    statement:
      'An MCP endpoint is all servers, some or one, under every spelling that LiteLLM has; it lists what it calls and reaches nothing else.',
  },
  'mcp:access': {
    status: 'held',
    statement:
      'An MCP endpoint refuses what the key may not use, in LiteLLM’s words, and never widens what was asked for.',
  },
  'mcp:envelope': {
    status: 'held',
    statement: 'Whatever is no JSON-RPC request gets the error that JSON-RPC and its protocol version have for it.',
  },
  'mcp:conformance': {
    status: 'held',
    statement:
      'Through an endpoint of one server and through the aggregate, the official conformance suites see what they see of the server itself; upstreams see a client that conforms.',
  },
  'mcp:fidelity': {
    status: 'held',
    statement: 'What a server sent is, as JSON, what the client gets, whatever it holds.',
  },
  'mcp:fuzz': {
    status: 'held',
    statement:
      'Whatever is sent to an MCP endpoint is answered as the protocol has it, and leaves the gateway as it was.',
  },
  'mcp:real-clients': {
    status: 'held',
    statement: 'Clients that were seen in the wild, with their probes, streams and omissions, find what they came for.',
  },
  'mcp:origin': {
    status: 'held',
    statement: 'A web page of elsewhere, or a name that somebody bound to this machine, does not reach MCP.',
  },
  'mcp:faults': {
    status: 'held',
    statement:
      'One server in trouble costs an aggregate that server alone; an endpoint of its own shows the true fault in HTTP.',
  },
  'mcp:sessions': {
    status: 'held',
    statement:
      'The official clients of both lines use every server through the gateway, in sessions of protocol versions up to 2025-11-25.',
  },
  'mcp:legacy-sse': {
    status: 'held',
    statement: 'Old clients have the HTTP+SSE transport of 2024-11-05, with everything that its sessions can do.',
  },
  'mcp:way-back': {
    status: 'held',
    statement: 'What a server asks during a call is asked of the client whose call it is, on the stream of that call.',
  },
  'mcp:cancel': {
    status: 'held',
    statement: 'A client that gives up a request, or leaves, gives it up at the upstream too.',
  },
  'mcp:logging': {
    status: 'held',
    statement:
      'A client hears what servers log during its calls, and outside them where they keep a session for it alone, from the level it wants.',
  },
  'mcp:session-owner': {
    status: 'held',
    statement: 'A session is its owner’s: another caller’s id is refused, and an ended one is gone everywhere.',
  },
  'mcp:session-cap': {
    status: 'held',
    statement:
      'An owner has so many sessions and no more: the longest idle one makes room, one that is used never does, and where all are used the next is refused.',
  },
  'mcp:stateless': { status: 'held', statement: 'A client without session is served, also one of 2026-07-28.' },
  'mcp:eras': {
    status: 'held',
    statement:
      'Between clients and servers of either era, every feature gets through or is lost for a stated reason, with a clear error or visible absence.',
  },
  'mcp:relay': {
    status: 'held',
    statement:
      'An endpoint of one server passes on methods and fields that the gateway does not know, for callers that may use it whole; an aggregate passes on fields alone.',
  },
  'mcp:replicas': {
    status: 'held',
    statement:
      'Any gateway of a database serves any session; answers, ends and news reach the gateway and the clients that they concern.',
  },
  'mcp:resume': {
    status: 'held',
    statement: 'A stream that breaks ends no call: its session, and no other, gets what it missed and the result.',
  },
  'mcp:subscriptions': {
    status: 'held',
    statement: 'A client hears of changes of the resources that it subscribed to.',
  },
  'mcp:listen': {
    status: 'held',
    statement: 'A modern client that listens hears of what it may see, and of nothing else, as long as it may.',
  },
  'mcp:news': {
    status: 'held',
    statement: 'A client hears of changed lists that it could see, each kind once, also when it listens later.',
  },
} as const satisfies Record<string, Requirement>
