import type { Narrowed } from '@toolgate/llm'

/** LiteLLM's two headers about the semantic filter, and one of ours that says what decided. */
export function toolFilterHeaders({ decision }: Narrowed, maxLength: number): Readonly<Record<string, string>> {
  if (decision === undefined) return {}
  const { from, kept, by } = decision
  return {
    'x-litellm-semantic-filter': `${from}->${kept.length}`,
    'x-litellm-semantic-filter-tools': clipped(kept.join(','), maxLength),
    'x-toolgate-tool-filter': by,
  }
}

function clipped(names: string, maxLength: number): string {
  // Names are the upstreams': what a header cannot carry must not cost the answer.
  const printable = names.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length <= maxLength ? printable : `${printable.slice(0, maxLength - 3)}...`
}
