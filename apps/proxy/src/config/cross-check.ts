/**
 * What one section says about another. A name or key may belong to the database, so a miss is a warning and not an error.
 */
import { nearestName } from '@toolgate/core'
import type { Report } from './report.ts'
import { namesInRouter } from './router.ts'
import type { ProxyConfig } from './schema.ts'

/** Reports references that lead nowhere, and a virtual key that would be the master key. */
export function crossCheck(config: ProxyConfig, report: Report): void {
  const { servers, declaredServers, virtualKeys, aliases, masterKey } = config
  // An entry that is left out is there all the same, and its own problem is told.
  const isSaid = (word: string | undefined) => word !== undefined
  const names = new Set(declaredServers.map(({ name }) => name).filter(isSaid))
  const known = new Set([
    'no-mcp-servers',
    ...names,
    ...aliases.keys(),
    ...declaredServers.flatMap(({ alias, serverId }) => [alias, serverId]).filter(isSaid),
  ])
  for (const [alias, server] of aliases) {
    if (names.has(server)) continue
    report.warn(['litellm_settings', 'mcp_aliases', alias], `names no server of this file${suggest(server, names)}`)
  }
  for (const { path, key, mcpServers = [] } of virtualKeys) {
    if (masterKey?.equals(key.reveal()) === true) report.error(path, 'must not be the master key')
    for (const [index, name] of mcpServers.entries()) {
      if (known.has(name)) continue
      report.warn([...path, 'mcp_servers', index], `names no server of this file${suggest(name, known)}`)
    }
  }
  checkToolFilter(config, report)
  checkRouter(config, report)
  const declared = new Set(virtualKeys.map(({ key }) => key.reveal()))
  for (const { path, common } of servers) {
    for (const [index, key] of common.api_keys.entries()) {
      if (declared.has(key.reveal())) continue
      report.warn([...path, 'api_keys', index], 'is none of virtual_keys; it grants nothing until that key exists')
    }
  }
}

/** A pattern such as `openai/*` serves names that are not written here. */
function checkToolFilter({ toolFilter, models }: ProxyConfig, report: Report): void {
  const model = toolFilter?.embeddingModel
  const known = models.map(({ name }) => name)
  if (model === undefined || known.includes(model) || known.some((name) => name.includes('*'))) return
  const path = ['litellm_settings', 'mcp_semantic_tool_filter', 'embedding_model']
  report.warn(path, `names no model of model_list: tools are filtered by their words alone${suggest(model, known)}`)
}

function checkRouter({ router, models }: ProxyConfig, report: Report): void {
  const known = models.map(({ name }) => name)
  if (known.some((name) => name.includes('*'))) return
  for (const { path, name } of namesInRouter(router)) {
    if (known.includes(name)) continue
    report.warn(path, `names no model of model_list${suggest(name, known)}`)
  }
}

function suggest(name: string, known: Iterable<string>): string {
  const suggestion = nearestName(name, known)
  return suggestion === undefined ? '' : `; did you mean ${suggestion}?`
}
