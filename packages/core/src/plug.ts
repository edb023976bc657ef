import type { z } from 'zod'

/**
 * The one shape of every extension: a name, a schema and a factory, in one file. A list of plugs is the only place that
 * knows which exist; shared code asks the product, never the name.
 */
export interface Plug<Options, Product> {
  readonly type: string
  /** The settings it understands; whoever reads configuration hands it these and no others. */
  readonly keys: readonly string[]
  /** Checks `settings` and returns how to build the product, or the issues with their paths. */
  bind(settings: unknown): Bound<Options, Product>
}

/** Checked settings, waiting for what only the composition root has. */
export type Bound<Options, Product> =
  | { readonly ok: true; create(options: Options): Product }
  | { readonly ok: false; readonly issues: readonly z.core.$ZodIssue[] }

export interface PlugDefinition<Schema extends z.ZodObject, Options, Product> {
  readonly type: string
  readonly schema: Schema
  create(settings: z.output<Schema>, options: Options): Product
}

/** Declares a plug. The settings' type is inferred from the schema and disappears behind {@link Plug}. */
export function definePlug<Schema extends z.ZodObject, Options, Product>({
  type,
  schema,
  create,
}: PlugDefinition<Schema, Options, Product>): Plug<Options, Product> {
  return {
    type,
    keys: Object.keys(schema.shape),
    bind(settings) {
      const parsed = schema.safeParse(settings)
      if (!parsed.success) return { ok: false, issues: parsed.error.issues }
      return { ok: true, create: (options) => create(parsed.data, options) }
    },
  }
}

/** The plugs of one kind by name. A name declared twice is a programmer's error. */
export function plugRegistry<Options, Product>(
  plugs: readonly Plug<Options, Product>[],
): PlugRegistry<Options, Product> {
  const byType = new Map(plugs.map((plug) => [plug.type, plug]))
  if (byType.size !== plugs.length) throw new TypeError('two plugs share a name')
  return { types: [...byType.keys()], get: (type) => byType.get(type) }
}

export interface PlugRegistry<Options, Product> {
  readonly types: readonly string[]
  get(type: string): Plug<Options, Product> | undefined
}
