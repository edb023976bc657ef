/** Variables about where the gateway is for others, and where it sends browsers. LiteLLM's. */
import type { TrustedRedirects } from '@toolgate/auth'
import { z } from 'zod'

export interface PublicAddressSettings {
  /** `PROXY_BASE_URL` without a slash at its end; absent: where each request came to. */
  readonly baseUrl: string | undefined
  /** `SERVER_ROOT_PATH`: empty, or begins with a slash and ends with none. */
  readonly rootPath: string
}

const list = z.string().transform((value) => value.split(/[\s,]+/).filter((item) => item !== ''))

export const addressVariables = z.object({
  PROXY_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .refine((value) => !/[?#@]/.test(value))
    .transform((value) => value.replace(/\/+$/, ''))
    .optional(),
  SERVER_ROOT_PATH: z
    .string()
    .transform((value) => value.replaceAll(/^\/+|\/+$/g, ''))
    .refine((value) => /^(?:[\w.~-]+(?:\/[\w.~-]+)*)?$/.test(value))
    .transform((value) => (value === '' ? '' : `/${value}`))
    .default(''),
  MCP_TRUSTED_REDIRECT_ORIGINS: list
    .refine((origins) => origins.every((origin) => /^(?:\*\.)?[\w.-]+(?::\d{1,5})?$/.test(origin)))
    .default([]),
  MCP_TRUSTED_NATIVE_REDIRECT_URIS: list.default([]),
})

export const addressRequirements = {
  PROXY_BASE_URL: 'an http or https address without query and user',
  SERVER_ROOT_PATH: 'a path of plain segments, such as /gateway',
  MCP_TRUSTED_REDIRECT_ORIGINS: 'a list of host, host:port or *.suffix',
} as const

/** As LiteLLM has it built in. */
const knownApplications = ['cursor://anysphere.cursor-mcp/oauth/callback']

type Checked = z.output<typeof addressVariables>

export function toPublicAddress(checked: Checked): PublicAddressSettings {
  return { baseUrl: checked.PROXY_BASE_URL, rootPath: checked.SERVER_ROOT_PATH }
}

export function toTrustedRedirects(checked: Checked): TrustedRedirects {
  return {
    origins: checked.MCP_TRUSTED_REDIRECT_ORIGINS,
    native: [...knownApplications, ...checked.MCP_TRUSTED_NATIVE_REDIRECT_URIS],
  }
}
