import type { Requirement } from './requirements.ts'

/** Who may come in, as whom, to what, and with which credential upstream. Part of `requirements.ts`. */
export const accessRequirements = {
  'oauth:user-tokens-refresh': {
    status: 'held',
    pain: 7,
    statement: 'User tokens are refreshed before expiry and once after a 401, on one replica at a time.',
  },
  'm2m:token-cache': {
    status: 'held',
    pain: 8,
    statement:
      'A client-credentials token is fetched once for all, kept no longer than it lives, and dropped on a 401 and on a changed configuration.',
  },
  'identity:gateway-key-stays': {
    status: 'held',
    pain: 9,
    statement: 'No byte of a gateway key reaches an upstream, a log or an error, on any path.',
  },
  'identity:one-resolver': {
    status: 'held',
    pain: 10,
    statement:
      'Per-server headers reach their server only, in one documented order of precedence, nothing is broadcast.',
  },
  'identity:documented-order': {
    status: 'held',
    statement: 'Who presents what to whom, in which order, is one table of the documents, and holds row by row.',
  },
  'm2m:seed-criteria': {
    status: 'held',
    statement:
      'A protected server refuses whoever comes without a token, and accepts the gateway when it lists and when it calls.',
  },
  'identity:dual-auth': {
    status: 'held',
    statement:
      'One header holds the gateway’s key and `Authorization` the user’s own credential, which reaches the server that declares it, through every door and over every transport.',
  },
  'oauth:own-resource': {
    status: 'held',
    pain: 11,
    statement: 'To MCP clients the gateway is its own protected resource with its own authorization server.',
  },
  'oauth:public-url': {
    status: 'held',
    pain: 12,
    statement: 'Metadata, challenges and callbacks are built from one configured public address.',
  },
  'oauth:user-tokens': {
    status: 'held',
    statement:
      'A user connects an account at a server once; its tokens are sealed, that user’s alone, and for that server alone.',
  },
  'oauth:people': {
    status: 'held',
    statement:
      'A person lets a client in by signing in at the company’s identity provider; whom no mapping names is not let in.',
  },
  'oauth:relay': {
    status: 'held',
    statement:
      'A client of a server in a relay mode gets that server’s own token by way of the gateway, which keeps none and lets nobody in for it.',
  },
  'identity:token-exchange': {
    status: 'held',
    statement:
      'A caller’s token is exchanged for one of the server where the operator says, kept for that caller, and sent nowhere else.',
  },
  'identity:no-smuggling': {
    status: 'held',
    statement: 'What a caller sends as one cookie or one header reaches a server as that one, or not at all.',
  },
  'oauth:hostile-servers': {
    status: 'held',
    statement:
      'Authorization servers that lie, lead inside, downgrade, or answer with too much or with nonsense get nothing and break nothing.',
  },
  'identity:sigv4': {
    status: 'held',
    statement: 'Requests to AWS are signed as they are sent, with keys that are never sent.',
  },
  'oauth:tokens-follow-keys': {
    status: 'held',
    statement: 'A token of an MCP client is good for one endpoint, and as long as the key that consented is.',
  },
  'oauth:grants-listed': {
    status: 'held',
    statement: 'Which clients a key has let in is told to it and to administrators, and each of these can be ended.',
  },
  'oauth:clients-complete': {
    status: 'held',
    statement: 'Programs that MCP users have sign in at the gateway with nothing but its address.',
  },
  'oauth:attacks': {
    status: 'held',
    statement:
      'Replayed codes and refresh tokens, downgrades, foreign forms, redirects and resources, and addresses inside get nobody a token.',
  },
  'oauth:undisturbed': {
    status: 'held',
    statement:
      'Neither strangers, nor an address that is away, nor two refreshes at once take a sign-in away from anybody.',
  },
  'access:grants-explained': {
    status: 'planned',
    pain: 14,
    statement: 'Keys, teams and groups resolve to one effective access that can be explained.',
  },
  'access:list-equals-call': {
    status: 'held',
    pain: 15,
    statement: 'At every door exactly the tools that are listed can be called; forbidden reads like unknown.',
  },
  'admin:closed-by-default': {
    status: 'held',
    pain: 27,
    statement: 'Every route but a short public list needs a credential; the admin API needs an administrator.',
  },
  'access:tool-grants': {
    status: 'held',
    pain: 37,
    statement: 'A grant may name tools, and a server may name the arguments they take.',
  },
  'identity:admitted-first': {
    status: 'held',
    pain: 39,
    statement: 'Callers are admitted by the gateway first, also where their own credential is passed on.',
  },
  'identity:two-users-one-key': {
    status: 'held',
    pain: 40,
    statement: 'Two people never share a connection, a list or a result, not even behind one key.',
  },
  'upgrade:grants-kept': {
    status: 'planned',
    pain: 41,
    statement: 'Upgrades keep grants; migrations are tested on real dumps.',
  },
  'auth:methods-are-principals': {
    status: 'held',
    pain: 42,
    statement: 'Access depends on the principal alone, whatever method produced it.',
  },
  'auth:jwt': {
    status: 'held',
    statement:
      'A token of a trusted identity provider is its user here, reaches what its mapped scopes and roles give, and is refused where anything about it does not hold.',
  },
  'auth:jwt-keys': {
    status: 'held',
    statement:
      'Keys of an identity provider are read again without a stampede, and those that are known go on while it is away.',
  },
  'keys:life': {
    status: 'held',
    statement:
      'Keys are made, read, listed, blocked, unblocked and deleted in the shapes of LiteLLM, and the raw key is shown once.',
  },
  'keys:take-effect': {
    status: 'held',
    statement: 'Expiry, block and deletion hold on every path within two seconds.',
  },
  'keys:config-upsert': {
    status: 'held',
    statement: 'Keys of the file are upserted at start; a block by an administrator survives.',
  },
  'keys:change': {
    status: 'held',
    statement:
      'A key is changed field by field, by several at once without loss, and every change is recorded by the names of its fields.',
  },
  'keys:regenerate': {
    status: 'held',
    statement:
      'Another key takes the place of one and keeps all it was; the former one goes on for the grace period and no longer.',
  },
  'keys:rotation': {
    status: 'held',
    statement: 'A key that is due for rotation works until its holder has the next one, which nobody else is shown.',
  },
  'keys:bounds': {
    status: 'held',
    statement: 'The file fills in what requests for keys leave out, and bounds what they may ask for.',
  },
  'keys:store-outage': { status: 'held', statement: 'An outage of the key store is never a 401.' },
} as const satisfies Record<string, Requirement>
