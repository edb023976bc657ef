/** What a person sees on the way to the identity provider, and when it led nowhere. */
import { html } from 'hono/html'
import type { ShownPage } from './page.ts'

export function signInPage(provider: string, target: URL): ShownPage {
  return {
    status: 200,
    title: `Sign in with ${provider}`,
    body: html`<h1>On to <strong>${provider}</strong></h1>
<p>You sign in there and come back here afterwards.</p>
<div class="buttons"><a class="button" href="${target.href}" rel="noreferrer">Sign in at ${target.host}</a></div>`,
    goesOnTo: target,
  }
}

/** `back`: where the application learns of it. */
export function deniedPage(message: string, back: string): ShownPage {
  return {
    status: 403,
    title: 'You were not let in',
    body: html`<h1>You were not let in</h1>
<p class="fault" role="alert">${message}</p>
<div class="buttons"><a class="button" href="${back}" rel="noreferrer">Back to the application</a></div>`,
  }
}
