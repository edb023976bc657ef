/**
 * A path as logs and errors may hold it. LiteLLM has routes with a key in their path, and clients send it there whether
 * or not such a route exists.
 */
export function printablePath(path: string): string {
  return path.replaceAll(/sk-[^/]+/g, 'sk-...')
}
