/**
 * The pages that a person sees: whom to let in, and what went wrong. Plain HTML that loads nothing and runs nothing. What a
 * client says of itself is text of a stranger, and marked as such.
 */
import { createHash } from 'node:crypto'
import { describeRedirect, displayName, type OauthClient } from '@toolgate/auth'
import { type GatewayError, type Logger, toGatewayError } from '@toolgate/core'
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AppEnv } from '../../app-env.ts'
import { contentful, logFailure } from '../../middleware/errors.ts'
import { everything } from '../../oauth-endpoint.ts'
import { httpStatus } from '../../render/status.ts'
import { keyForm } from './key-form.ts'
import { style } from './page-style.ts'

export type Html = ReturnType<typeof html>

export interface ConsentPage {
  readonly client: OauthClient
  readonly redirectUri: string
  readonly audience: string
  /** Where the form goes, as a path. */
  readonly action: string
  /** The sealed request. */
  readonly pending: string
  /** The identity provider at which one can sign in instead of showing a key. */
  readonly provider: string | undefined
  /** What was wrong with the last try. */
  readonly fault?: string | undefined
}

export interface ShownPage {
  readonly status: ContentfulStatusCode
  readonly title: string
  readonly body: Html
  /** Where a form of the page may lead to in the end. */
  readonly leadsTo?: string
  /** It has a form that leads nowhere else. */
  readonly ownForm?: boolean
  /** Where the browser goes by itself. No redirect: the policy of the page before would have to name every address behind it. */
  readonly goesOnTo?: URL
  /** Seconds. */
  readonly retryAfter?: string
}

const styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

export async function showPage(
  context: Context<AppEnv>,
  { status, title, body, leadsTo, ownForm = false, goesOnTo, retryAfter }: ShownPage,
): Promise<Response> {
  const own = ownForm ? "'self'" : "'none'"
  const targets = leadsTo === undefined ? own : `'self' ${sourceOf(leadsTo)}`
  context.header(
    'content-security-policy',
    `default-src 'none'; style-src ${styleSource}; form-action ${targets}; base-uri 'none'; frame-ancestors 'none'`,
  )
  if (retryAfter !== undefined) context.header('retry-after', retryAfter)
  context.header('x-frame-options', 'DENY')
  context.header('x-content-type-options', 'nosniff')
  // A stricter policy would hide from us where a form was sent from.
  context.header('referrer-policy', 'same-origin')
  context.header('cache-control', 'no-store')
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · toolgate</title>
${goesOnTo === undefined ? '' : html`<meta http-equiv="refresh" content="0; url=${goesOnTo.href}">`}
<style>${raw(style)}</style>
</head>
<body><main><p class="brand">toolgate</p>${body}</main></body>
</html>`
  return context.html(page, status)
}

export function consentPage(page: ConsentPage): ShownPage {
  const { client, redirectUri, audience, action, pending, provider, fault } = page
  const name = displayName(client.name) ?? 'An application without a name'
  const title = `Let ${name} use your MCP servers?`
  // One text for every server: before the key is known nobody learns which have their own sign-in.
  const hint =
    'The key stays here. The application gets a token of its own, which ends with the key. Where a server has you sign in ' +
    'with it as well, the application may get the token of that server instead, which ends as that server says.'
  const buttons = html`<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny" class="quiet">Cancel</button>`
  const body = html`<h1>Let <strong>${name}</strong> use your MCP servers?</h1>
<dl>
<dt>Application</dt><dd>${whoItIs(client, name)}</dd>
<dt>Sends you on to</dt><dd>${describeRedirect(redirectUri)}<br><code>${redirectUri}</code></dd>
<dt>May use</dt><dd>${audience === everything ? 'every MCP server that you may use' : html`<code>${audience}</code>, as far as you may`}</dd>
</dl>
${provider === undefined ? '' : personForm({ action, pending, provider })}
${keyForm({ action, pending, fault, hint, buttons })}
<p class="hint">Go on only if you have just started this from an application yourself.</p>`
  return { status: fault === undefined ? 200 : 403, title, body, leadsTo: redirectUri }
}

/** For a page that is shown again because too much was tried: when to come again. */
export function unlessTooMany(fault: GatewayError | undefined): Partial<Pick<ShownPage, 'status' | 'retryAfter'>> {
  if (fault?.code !== 'TOO_MANY_REQUESTS') return {}
  return { status: 429, ...retryAfterOf(fault) }
}

function retryAfterOf({ code, details: { retryAfter }, retryable }: GatewayError): Pick<ShownPage, 'retryAfter'> {
  if (typeof retryAfter === 'string') return { retryAfter }
  return retryable && httpStatus[code] === 503 ? { retryAfter: '1' } : {}
}

function personForm({ action, pending, provider }: Pick<ConsentPage, 'action' | 'pending' | 'provider'>): Html {
  return html`<form method="post" action="${action}">
<input type="hidden" name="request" value="${pending}">
<div class="buttons"><button name="decision" value="person">Allow, and sign in with ${provider}</button></div>
<p class="hint">Or show a key:</p>
</form>`
}

function whoItIs({ host }: OauthClient, name: string): Html {
  if (host !== undefined) return html`${name}, of <strong>${host}</strong>`
  return html`calls itself “${name}”; anybody may call itself so`
}

export function faultPage(status: ContentfulStatusCode, message: string): ShownPage {
  return {
    status,
    title: 'This cannot go on',
    body: html`<h1>This cannot go on</h1><p class="fault" role="alert">${message}</p>
<p class="hint">Nobody was let in. You may close this page.</p>`,
  }
}

/** For a `form-action`: browsers apply it to where the answer to a form leads as well. */
function sourceOf(redirectUri: string): string {
  const url = new URL(redirectUri)
  // The policy's grammar knows hosts of http alone, and no IPv6 address.
  const isHost = /^https?:$/.test(url.protocol) && !url.hostname.startsWith('[')
  return isHost ? url.origin : url.protocol
}

/** What goes wrong is told to the person who looks, and nobody is sent anywhere. */
export async function onPages(context: Context<AppEnv>, log: Logger, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work()
  } catch (thrown) {
    const error = toGatewayError(thrown)
    logFailure(log, error, context.var.requestId)
    const status = httpStatus[error.code]
    // A 401 would have a browser ask for a password.
    const page = faultPage(status === 401 ? 400 : contentful(status), error.message)
    return showPage(context, { ...page, ...retryAfterOf(error) })
  }
}
