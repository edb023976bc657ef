import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { mayBeParameter } from './header-parameters.ts'
import { resolved, Unresolvable } from './references.ts'

const places = ['path', 'query', 'header', 'cookie'] as const

export type ParameterPlace = (typeof places)[number]

/** One parameter of an operation, and the argument of the tool that fills it. */
export interface Parameter {
  readonly place: ParameterPlace
  readonly name: string
  readonly argument: string
  readonly required: boolean
  readonly style: string
  readonly explode: boolean
  /** Reserved characters stay as they are (OpenAPI 3.1, Parameter Object). */
  readonly allowReserved: boolean
  /** Written as JSON instead of in a style: its schema stands below `content`. */
  readonly isJson: boolean
  readonly schema: JsonValue | undefined
  readonly description: string | undefined
}

const defaultStyles: Readonly<Record<ParameterPlace, string>> = {
  path: 'simple',
  query: 'form',
  header: 'simple',
  cookie: 'form',
}

export interface ParameterSource {
  readonly document: JsonObject
  readonly path: string
  readonly pathItem: JsonObject
  readonly operation: JsonObject
}

/** In the order path, query, header, cookie. Throws `Unresolvable`. */
export function readParameters(source: ParameterSource): readonly Parameter[] {
  const found = new Map<string, Omit<Parameter, 'argument'>>()
  for (const list of [source.pathItem['parameters'], source.operation['parameters']]) {
    for (const node of Array.isArray(list) ? list : []) {
      const parameter = readParameter(source.document, node)
      if (parameter !== undefined) found.set(`${parameter.place} ${parameter.name}`, parameter)
    }
  }
  for (const name of templatesOf(source.path)) {
    if (!found.has(`path ${name}`)) found.set(`path ${name}`, undeclared(name))
  }
  const declared = [...found.values()].filter(
    ({ place, name }) => place !== 'path' || templatesOf(source.path).includes(name),
  )
  const inOrder = places.flatMap((place) => declared.filter((parameter) => parameter.place === place))
  const argumentOf = distinctArguments()
  return inOrder.map((parameter) => ({ ...parameter, argument: argumentOf(parameter.name, parameter.place) }))
}

/** The names between braces in a path. */
export function templatesOf(path: string): readonly string[] {
  return [...path.matchAll(/\{([^{}]+)\}/g)].flatMap(([, name]) => name ?? [])
}

/** Parameters of two places may share a name: the second one has its place in front. */
export function distinctArguments(taken = new Set<string>()): (name: string, place: string) => string {
  return (name, place) => {
    let argument = name
    while (taken.has(argument)) argument = `${place}_${argument}`
    taken.add(argument)
    return argument
  }
}

function readParameter(document: JsonObject, node: JsonValue): Omit<Parameter, 'argument'> | undefined {
  const parameter = resolved(document, node)
  if (parameter === undefined) return undefined
  const place = places.find((known) => known === parameter['in'])
  const { name, style, explode, description, content, required } = parameter
  if (place === undefined) throw new Unresolvable('has a parameter in a place that is not known')
  if (typeof name !== 'string' || name === '') throw new Unresolvable('has a parameter without a name')
  if (place === 'header' && !mayBeParameter(name)) return undefined
  const [media] = isJsonObject(content) ? Object.values(content) : []
  const written = typeof style === 'string' ? style : defaultStyles[place]
  return {
    place,
    name,
    required: place === 'path' || required === true,
    style: written,
    explode: typeof explode === 'boolean' ? explode : written === 'form' || written === 'deepObject',
    allowReserved: parameter['allowReserved'] === true,
    isJson: media !== undefined,
    schema: media === undefined ? parameter['schema'] : resolved(document, media)?.['schema'],
    description: typeof description === 'string' ? description : undefined,
  }
}

function undeclared(name: string): Omit<Parameter, 'argument'> {
  return {
    place: 'path',
    name,
    required: true,
    style: 'simple',
    explode: false,
    allowReserved: false,
    isJson: false,
    schema: { type: 'string' },
    description: undefined,
  }
}
