/**
 * `default_key_generate_params` and `upperbound_key_generate_params`: what keys of the API get that ask for nothing, and
 * what none of them may ask for. A default above its bound would refuse every request, so it is an error here.
 */
import {
  fieldAboveBound,
  type KeyDefaults,
  keyDefaultsSchema,
  type KeyUpperBounds,
  keyUpperBoundsSchema,
} from '@toolgate/auth'
import { systemClock } from '@toolgate/core'
import type { Report } from './report.ts'
import { readSection } from './section.ts'

export interface KeyParams {
  readonly keyDefaults: KeyDefaults
  readonly keyUpperBounds: KeyUpperBounds
}

export interface KeyParamsSections {
  readonly default_key_generate_params?: unknown
  readonly upperbound_key_generate_params?: unknown
}

export function readKeyParams(sections: KeyParamsSections, report: Report): KeyParams {
  const path = ['litellm_settings', 'default_key_generate_params']
  const keyDefaults =
    readSection(
      sections.default_key_generate_params,
      { path, report },
      { schema: keyDefaultsSchema, dialect: 'litellm' },
    ) ?? {}
  const keyUpperBounds =
    readSection(
      sections.upperbound_key_generate_params,
      { path: ['litellm_settings', 'upperbound_key_generate_params'], report },
      { schema: keyUpperBoundsSchema, dialect: 'litellm' },
    ) ?? {}
  const above = fieldAboveBound(keyDefaults, keyUpperBounds, systemClock)
  if (above !== undefined) report.error([...path, above.field], `is above its bound in upperbound_key_generate_params`)
  return { keyDefaults, keyUpperBounds }
}
