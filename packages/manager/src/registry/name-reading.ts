import type { Listing } from '../catalog/listing.ts'
import { listsOf } from '../methods.ts'
import { joinName, type NamingRules, prefixesOf, splitName } from '../public-name.ts'
import type { ManagedServer } from './managed-server.ts'
import { fitsAny } from './uri-template.ts'

/**
 * What a public name can mean, compared with what one caller may use and what is known of it. Pure. Every function returns
 * all readings of equal rank: several are an ambiguity, which is never settled by guessing.
 */

/** One way to understand a public name: this server's thing of this name. */
export interface Reading {
  readonly server: ManagedServer
  readonly name: string
}

export interface NameView {
  readonly rules: NamingRules
  readonly kind: 'tool' | 'prompt' | 'resource'
  readonly prefixes: ReadonlyMap<string, ManagedServer>
  /** By display name, the tools that operators show under it. */
  readonly displayed: ReadonlyMap<string, readonly Reading[]>
  /** The servers whose own names are looked through. */
  readonly servers: readonly ManagedServer[]
  /** By server id; of each server those lists of this kind that were ever read. */
  readonly listings: ReadonlyMap<string, readonly Listing[]>
  /** Whether the caller may use it: what it may not use does not exist here. */
  allows(reading: Reading): boolean
}

type NameFrame = Pick<NameView, 'rules' | 'kind' | 'prefixes' | 'displayed' | 'allows'>

/** Readings by a known prefix, the longest first, whether or not the server has such a thing. A URI has no prefix. */
export function prefixReadings({ rules, kind, prefixes, allows }: NameFrame, publicName: string): readonly Reading[] {
  if (kind === 'resource') return []
  return splitName(publicName, rules.separator).flatMap(({ prefix, name }) => {
    const server = prefixes.get(prefix)
    return server !== undefined && allows({ server, name }) ? [{ server, name }] : []
  })
}

/** The tools that are shown under this name, whether or not their servers have them. */
export function displayReadings({ kind, displayed, allows }: NameFrame, publicName: string): readonly Reading[] {
  return kind === 'tool' ? (displayed.get(publicName) ?? []).filter(allows) : []
}

/** Readings by a name that says which server is meant: what is shown under it, then by prefix. */
export function namedReadings(frame: NameFrame, publicName: string): readonly Reading[] {
  const shown = displayReadings(frame, publicName)
  const prefixed = prefixReadings(frame, publicName)
  return shown.length === 0 ? prefixed : distinct([...shown, ...prefixed])
}

/**
 * The meaning of a name that says which server is meant: of what is listed, else of the first reading whose server was not
 * listed yet. A display name is nobody's own: what is listed under it, or is the displayed server's own tool of that name,
 * makes it ambiguous.
 */
export function readNamed(view: NameView, publicName: string): readonly Reading[] {
  const readings = namedReadings(view, publicName)
  const listed = readings.filter((reading) => isListed(view, reading))
  if (listed.length > 0) return distinct([...listed, ...rivals(view, publicName)])
  const unlisted = readings.find(({ server }) => !wasListed(view, server))
  return unlisted === undefined ? [] : [unlisted]
}

function rivals(view: NameView, publicName: string): readonly Reading[] {
  const shown = displayReadings(view, publicName).filter((reading) => isListed(view, reading))
  if (shown.length === 0) return []
  return view.servers
    .filter((server) => listsBare(view, server) || shown.some((reading) => reading.server.id === server.id))
    .map((server) => ({ server, name: publicName }))
    .filter((reading) => view.allows(reading) && isListed(view, reading))
}

/** Whether the server's tools are listed without prefix, where that tells them apart. */
function listsBare({ rules }: NameView, { prefixed }: ManagedServer): boolean {
  return rules.mode !== 'always' || !prefixed
}

function distinct(readings: readonly Reading[]): readonly Reading[] {
  return readings.filter(
    ({ server, name }, index) =>
      readings.findIndex((other) => other.server.id === server.id && other.name === name) === index,
  )
}

/** The meaning as somebody's own name, where that is listed or, for URIs, fits a template. */
export function readBare(view: NameView, name: string): readonly Reading[] {
  const readings = view.servers.map((server) => ({ server, name })).filter(view.allows)
  const listed = readings.filter((reading) => isListed(view, reading))
  return listed.length > 0 ? listed : readings.filter((reading) => fitsTemplate(view, reading))
}

/**
 * The meaning on one server. Its own name is always exactly that, because lists beside a server show own names; only where
 * nothing bears it, the name may also stand with its prefix or be the one it is shown under. A tool that a listed server does not list has no meaning:
 * otherwise the upstream's own words for "unknown" would tell it from "forbidden".
 */
export function readWithin(view: NameView, server: ManagedServer, publicName: string): readonly Reading[] {
  const plain = { server, name: publicName }
  if (view.allows(plain) && isListed(view, plain)) return [plain]
  const stripped = namedReadings(view, publicName).filter((reading) => reading.server.id === server.id)
  const listed = stripped.filter((reading) => isListed(view, reading))
  if (listed.length > 0) return listed
  // A URI may be one that its server never lists.
  if (wasListed(view, server) && view.kind !== 'resource') return []
  return [stripped[0] ?? plain]
}

/**
 * The name under which something is listed: the first of its possible names that means it and nothing else, so that what is
 * listed can be called. Absent where there is none.
 */
export function publicNameOf(view: NameView, reading: Reading): string | undefined {
  return spellings(view, reading).find((spelling) => meansOnly(view, spelling, reading))
}

/** A name for error messages: prefixed, and unambiguous where there is such a one. */
export function prefixedNameOf(view: NameView, reading: Reading): string {
  const names = prefixedSpellings(view, reading)
  return names.find((spelling) => meansOnly(view, spelling, reading)) ?? names[0] ?? reading.name
}

function spellings(view: NameView, reading: Reading): readonly string[] {
  const { mode } = view.rules
  const shown = displayNameOf(view, reading)
  // It replaces the other name and falls back to none: a name must not change with the neighbours.
  if (shown !== undefined) return [shown]
  const prefixed = prefixedSpellings(view, reading)
  // Results link to resources by URI and are relayed untouched, so a URI has no other spelling.
  if (view.kind === 'resource' || mode === 'never') return [reading.name]
  return mode === 'always' && reading.server.prefixed ? prefixed : [reading.name, ...prefixed]
}

export function displayNameOf({ kind }: Pick<NameView, 'kind'>, { server, name }: Reading): string | undefined {
  return kind === 'tool' ? server.displayNames.get(name) : undefined
}

function prefixedSpellings({ rules }: NameView, { server, name }: Reading): readonly string[] {
  return prefixesOf(server).map((prefix) => joinName(prefix, rules.separator, name))
}

function meansOnly(view: NameView, spelling: string, reading: Reading): boolean {
  const named = readNamed(view, spelling)
  return isOnly(named.length > 0 ? named : readBare(view, spelling), reading)
}

function isOnly([first, ...others]: readonly Reading[], { server, name }: Reading): boolean {
  return others.length === 0 && first?.server.id === server.id && first.name === name
}

/** Whether everything is known that the server lists of this kind. */
export function wasListed({ kind, listings }: NameView, { id }: ManagedServer): boolean {
  return listings.get(id)?.length === listsOf[kind].length
}

export function isListed({ listings }: NameView, { server, name }: Reading): boolean {
  return listings.get(server.id)?.some(({ byName }) => byName.has(name)) ?? false
}

/** The tools that are withheld until they are approved and would answer to this name. */
export function heldReadings(view: NameView, name: string): readonly Reading[] {
  const own = view.servers.map((server) => ({ server, name })).filter(view.allows)
  return [...namedReadings(view, name), ...own].filter((reading) => heldReason(view, reading) !== undefined)
}

export function heldReason({ listings }: NameView, { server, name }: Reading): string | undefined {
  const held = listings.get(server.id)?.flatMap((listing) => listing.held) ?? []
  return held.find((item) => item.name === name)?.reason
}

function fitsTemplate({ kind, listings }: NameView, { server, name }: Reading): boolean {
  if (kind !== 'resource') return false
  const items = listings.get(server.id)?.flatMap((listing) => listing.items) ?? []
  return fitsAny(
    items.map((item) => item['uriTemplate']),
    name,
  )
}
