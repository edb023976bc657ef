import manifest from '../package.json' with { type: 'json' }

/** The version of this release, from the package's manifest. */
export const { version } = manifest
