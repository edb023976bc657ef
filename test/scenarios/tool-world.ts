import { type ChatWorld, type ChatWorldOptions, startChatWorld } from './chat-world.ts'

/** A chat world with one MCP server, `srv`. */
export type ToolWorld<Server> = ChatWorld & { readonly server: Server }

interface ToolServer extends AsyncDisposable {
  readonly url: string
}

export async function startToolWorld<Server extends ToolServer>(
  startServer: () => Promise<Server>,
  options: Omit<ChatWorldOptions, 'servers'> = {},
): Promise<ToolWorld<Server>> {
  const behind = new AsyncDisposableStack()
  const server = behind.use(await startServer())
  const world = behind.use(await startChatWorld({ ...options, servers: { srv: { url: server.url } } }))
  // No copy of the world: what it was asked is read anew each time.
  return Object.assign(world, { server, [Symbol.asyncDispose]: () => behind.disposeAsync() })
}
