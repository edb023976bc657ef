import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/shared-postgres.ts'],
    // Nothing here keeps state in a module, and most of a run of isolated files would be loading the same modules again.
    isolate: false,
    // Most tests wait for somebody else: one worker would leave half of a small machine idle.
    maxWorkers: 2,
    // For what hangs; a machine that is busy with two files at once may be slow.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default'],
  },
})
