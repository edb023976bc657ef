import type { Registry } from '@toolgate/manager'
import { environmentOAuth2 } from '../config/environment-oauth2.ts'
import type { LoadedConfig } from '../config/load.ts'
import { compareByName } from './changes.ts'
import type { LiveServers } from './reload.ts'

export interface LiveServersOptions {
  readonly registry: Pick<Registry, 'list' | 'quarantined'>
  /** Puts the servers of a configuration in the registry, beside those that are none of the file's. Says which it left out. */
  use(loaded: LoadedConfig): Promise<readonly string[]> | readonly string[]
}

/** The registry as a reload sees it; what a server is, its revision says. */
export function liveServers({ registry, use }: LiveServersOptions): LiveServers {
  const revisions = () => new Map(registry.list().map(({ id, name, revision }) => [name, `${id} ${revision}`]))
  return {
    // The one thing about servers that is no problem of a single one.
    review: ({ environment }) => void environmentOAuth2(environment),
    async replace(loaded) {
      const before = revisions()
      const problems = await use(loaded)
      return { ...compareByName(before, revisions()), problems }
    },
  }
}
