import type { Served } from '@toolgate/llm'

/** LiteLLM's headers that say which deployment answered. Its address is the operator's and is not told. */
export function servedHeaders({
  deployment,
  group,
  retries,
  fallbacks,
  spend,
}: Served): Readonly<Record<string, string>> {
  return {
    ...(deployment.id !== undefined && { 'x-litellm-model-id': printable(deployment.id) }),
    'x-litellm-model-group': printable(group),
    'x-litellm-attempted-retries': String(retries),
    'x-litellm-attempted-fallbacks': String(fallbacks),
    ...(spend !== undefined && { 'x-litellm-response-cost': String(spend) }),
  }
}

/** Names are the operator's: what a header cannot carry must not cost the answer. */
function printable(name: string): string {
  return name.replaceAll(/[^\x20-\x7e]/g, '?')
}
