import {
  encodeOutcome,
  GatewayError,
  isFailedOutcome,
  isJsonObject,
  type JsonObject,
  outcomeError,
  type ServerDefinition,
  type ServerOutcome,
} from '@toolgate/core'
import type { Approval, LoopTool } from './loop-tool.ts'
import { nameArguments } from './schemas/argument-names.ts'
import { toFunctionNames } from './tool-mapping.ts'
import { resolveApproval, type ToolSelection } from './tool-selection.ts'

/**
 * Turns what a request asked for into tools the loop can offer. Whatever the request itself named must be there, else the
 * request fails before any model is asked; what it did not name may be missing, and is reported.
 */

/** A tool as the gateway lists it for this caller. */
export interface ListedTool {
  readonly server: AttachableServer
  readonly publicName: string
  /** The MCP tool as its server sent it. */
  readonly definition: JsonObject
  /** It runs other tools: whether it may, is asked for each of those. */
  readonly runsOthers?: boolean
}

type AttachableServer = Pick<ServerDefinition, 'id' | 'name' | 'prefix' | 'requireApproval'>

export interface ToolListing {
  readonly items: readonly ListedTool[]
  readonly outcomes: readonly ServerOutcome[]
  /** Not offered, by the server's own names, and why. */
  readonly withheld?: readonly { readonly name: string; readonly reason: string }[]
}

/** Lists what a selection's servers offer to the caller; rejects for named servers that the caller does not reach. */
export type ListTools = (selection: ToolSelection) => Promise<ToolListing>

export interface AttachedTool extends LoopTool {
  readonly server: AttachableServer
  /** The server's own name for it. */
  readonly toolName: string
  /** The selection that brought it; its headers go with its calls. */
  readonly selection: ToolSelection
  /** It runs other tools: whether it may, is asked for each of those. */
  readonly runsOthers?: boolean | undefined
}

export interface AttachedTools {
  readonly tools: readonly AttachedTool[]
  /** One per server asked, healthy or not. */
  readonly outcomes: readonly ServerOutcome[]
}

/**
 * Rejects where something the request named cannot be offered, saying what and why: with the upstream's failure where a
 * server is the reason, else with `TOOLS_UNRESOLVED`.
 */
export async function attachTools(selections: readonly ToolSelection[], list: ListTools): Promise<AttachedTools> {
  const listings = await Promise.all(
    selections.map(async (selection) => ({ selection, listing: await list(selection) })),
  )
  const offers = listings.flatMap(({ selection, listing }) => toOffers(selection, listing))
  const outcomes = new Map(listings.flatMap(({ listing }) => listing.outcomes).map((one) => [one.serverId, one]))
  return { tools: mergeOffers(offers), outcomes: [...outcomes.values()] }
}

type Offer = Omit<AttachedTool, 'functionName'>

function toOffers(selection: ToolSelection, listing: ToolListing): Offer[] {
  const { items, outcomes } = listing
  const failed = outcomes.filter(isFailedOutcome)
  if (selection.servers !== undefined && failed.length > 0)
    throw unresolved('These MCP servers are not available', failed)
  const offers = items.flatMap((item) => toOffer(selection, item))
  if (selection.origin === 'auto') return offers
  requireAllowedTools(selection, listing, failed)
  if (offers.length === 0) throw unresolved('The request asked for MCP tools, and none is available', failed)
  return offers
}

function toOffer(selection: ToolSelection, { server, publicName, definition, runsOthers }: ListedTool): Offer[] {
  const { name, description, inputSchema } = definition
  const toolName = typeof name === 'string' ? name : publicName
  const spellings = [publicName, toolName]
  const named = nameArguments(isJsonObject(inputSchema) ? inputSchema : {})
  if (selection.allowedTools && !selection.allowedTools.some((allowed) => spellings.includes(allowed))) return []
  return [
    {
      publicName,
      toolName,
      server,
      selection,
      runsOthers,
      approval:
        runsOthers === true && typeof selection.approval === 'object'
          ? 'never'
          : resolveApproval(selection, server.requireApproval, spellings),
      definition: {
        description: typeof description === 'string' ? description : undefined,
        inputSchema: named.inputSchema,
      },
      argumentNames: named.argumentNames,
    },
  ]
}

function requireAllowedTools(
  { allowedTools = [] }: ToolSelection,
  { items, withheld = [] }: ToolListing,
  failed: readonly ServerOutcome[],
): void {
  const known = new Set(items.flatMap(({ publicName, definition }) => [publicName, definition['name']]))
  const missing = allowedTools.filter((name) => !known.has(name))
  if (missing.length === 0) return
  const explained = missing.map((name) => {
    const why = withheld.find((tool) => name.endsWith(tool.name))
    return why === undefined ? name : `${name} (${why.reason})`
  })
  throw unresolved(`No such MCP tool for this key: ${explained.join(', ')}`, failed)
}

function unresolved(problem: string, failed: readonly ServerOutcome[]): GatewayError {
  const reasons = failed.map(({ serverName, status, message }) => `${serverName}: ${message ?? status}`)
  const explained = reasons.length > 0 ? `${problem} (${reasons.join('; ')}).` : `${problem}.`
  const [first] = failed.flatMap((outcome) => outcomeError(outcome) ?? [])
  return new GatewayError(first?.code ?? 'TOOLS_UNRESOLVED', explained, {
    details: { ...first?.details, servers: failed.map(encodeOutcome) },
  })
}

/** A tool that came in more than once is offered once; it needs approval if any of its selections wants that. */
function mergeOffers(offers: readonly Offer[]): AttachedTool[] {
  const byName = new Map<string, Offer>()
  for (const offer of offers) {
    const known = byName.get(offer.publicName)
    byName.set(offer.publicName, known ? { ...known, approval: stricter(known.approval, offer.approval) } : offer)
  }
  const functionNames = toFunctionNames(byName.keys())
  return [...byName.values()].map((offer) => ({
    ...offer,
    functionName: functionNames.get(offer.publicName) ?? offer.publicName,
  }))
}

function stricter(left: Approval, right: Approval): Approval {
  return left === 'always' || right === 'always' ? 'always' : 'never'
}
