/**
 * Reads a configuration file into plain data and remembers where everything stood, so that an error can point at it.
 * JSON is read by the same parser: it is a subset of YAML 1.2.
 *
 * Nothing of the text ends up in a message, not even the parser's own: it may quote a secret.
 */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import {
  Alias,
  type Document,
  type ErrorCode,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml'
import { type ConfigPath, configurationError, type Finding, formatPath } from './report.ts'

const maxBytes = 1024 * 1024
/** How often anchors may be expanded in all; stops a small file from becoming a large tree. */
const maxAliases = 100

/** A parsed file. */
export interface ConfigSource {
  readonly file: string
  /** Maps, lists, strings, numbers, booleans and null; nothing substituted yet. */
  readonly data: unknown
  /** `config.yaml:12:5 mcp_servers.github.url must be a string` */
  explain(finding: Finding): string
}

const syntaxErrors = {
  ALIAS_PROPS: 'an alias can have neither a tag nor an anchor',
  BAD_ALIAS: 'an alias (*name) is malformed; quote strings that start with *',
  BAD_COLLECTION_TYPE: 'this tag does not fit a list or map',
  BAD_DIRECTIVE: 'malformed % directive',
  BAD_DQ_ESCAPE: 'unknown escape in a double-quoted string; single quotes take text as it is',
  BAD_INDENT: 'wrong indentation',
  BAD_PROP_ORDER: 'tag and anchor must come before the value',
  BAD_SCALAR_START: 'a string that starts with this character must be quoted',
  BLOCK_AS_IMPLICIT_KEY: 'a key must be followed by one value; quote text that holds ": "',
  BLOCK_IN_FLOW: 'inside [ ] and { } everything must be written in that style',
  DUPLICATE_KEY: 'this key is already in the same map',
  IMPOSSIBLE: 'unreadable',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  MISSING_CHAR: 'a comma, colon, quote or closing bracket is missing; inside [ ] and { } quote strings that hold ${…}',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line',
  MULTIPLE_ANCHORS: 'more than one anchor',
  MULTIPLE_DOCS: 'more than one document (---); the configuration is one',
  MULTIPLE_TAGS: 'more than one tag',
  NON_STRING_KEY: 'keys must be strings',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'tabs cannot indent',
  TAG_RESOLVE_FAILED: 'unknown tag (!name); quote strings that start with !',
  UNEXPECTED_TOKEN: 'unexpected text here; quote strings that hold special characters',
} as const satisfies Record<ErrorCode, string>

/** Reads the file. Throws an error of one line per fault, each with file, line and column. */
export function readSource(file: string): ConfigSource {
  try {
    const { size } = statSync(file)
    if (size > maxBytes) throw configurationError([`${file}: larger than ${maxBytes} bytes.`])
    return parseSource(readFileSync(file, 'utf8'), file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') throw configurationError([`${file}: no such file.`], error)
    if (code === 'EACCES') throw configurationError([`${file}: may not be read (permission denied).`], error)
    if (code === 'EISDIR') throw configurationError([`${file}: is a directory.`], error)
    throw error
  }
}

/** Parses `text`; `file` only names it in messages. */
export function parseSource(text: string, file: string): ConfigSource {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, merge: true })
  const name = basename(file)
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }

  // The parser calls an unknown tag a warning; a value that means something else than its author thought is an error.
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) throw configurationError(faults.map(({ code, pos }) => `${at(pos[0])} ${syntaxErrors[code]}.`))
  const dangling = danglingAliases(document)
  if (dangling.length > 0) {
    throw configurationError(
      dangling.map((offset) => `${at(offset)} an alias names no anchor above it; quote strings that start with *.`),
    )
  }

  return {
    file,
    data: toData(document, name),
    explain: ({ path, message }) =>
      [at(offsetOf(document, path)), formatPath(path), /[.?]$/.test(message) ? message : `${message}.`]
        .filter((part) => part !== '')
        .join(' '),
  }
}

function toData(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases })
  } catch (error) {
    if (error instanceof ReferenceError) {
      throw configurationError([`${name}: aliases expand to more than ${maxAliases} copies.`], error)
    }
    throw error
  }
}

function danglingAliases(document: Document.Parsed): number[] {
  const offsets: number[] = []
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) offsets.push(alias.range?.[0] ?? 0)
    },
  })
  return offsets
}

/** Where the last part of `path` that the file really holds begins; merged and missing keys fall back to their parent. */
function offsetOf(document: Document.Parsed, path: ConfigPath): number {
  let node: unknown = document.contents
  let offset = 0
  for (const part of path) {
    if (node instanceof Alias) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === part)
      if (pair === undefined) return offset
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part]
      if (isNode(node)) offset = node.range?.[0] ?? offset
    } else {
      return offset
    }
  }
  return offset
}
