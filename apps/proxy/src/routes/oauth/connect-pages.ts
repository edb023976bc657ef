/** What a person sees who connects an account at a server. */
import { html } from 'hono/html'
import { keyForm } from './key-form.ts'
import type { ShownPage } from './page.ts'

export interface ConnectPage {
  /** As the link names it: whether there is such a server is told to a key that may use it. */
  readonly server: string
  readonly pending: string
  readonly action: string
  readonly fault: string | undefined
}

export function connectPage({ server, pending, action, fault }: ConnectPage): ShownPage {
  const hint = 'The account will be used for whoever calls with this key, and with other keys of the same user.'
  const body = html`<h1>Connect your account at <strong>${server}</strong></h1>
${keyForm({ action, pending, fault, hint, buttons: html`<button>Go on</button>` })}`
  return { status: fault === undefined ? 200 : 403, title: `Connect ${server}`, body, ownForm: true }
}

export interface LeavePage {
  readonly server: string
  readonly target: URL
  /** Where who does not want to goes on; absent: nowhere. */
  readonly onward: string | undefined
}

export function leavePage({ server, target, onward }: LeavePage): ShownPage {
  return {
    status: 200,
    title: `Sign in at ${target.host}`,
    body: html`<h1>Sign in at <strong>${target.host}</strong></h1>
<p>That is where “${server}” has its users sign in. You come back here afterwards.</p>
<div class="buttons"><a class="button" href="${target.href}" rel="noreferrer">Sign in at ${target.host}</a></div>
${onward === undefined ? '' : html`<p class="hint"><a href="${onward}">Go on without “${server}”</a></p>`}`,
  }
}

export function connectedPage(server: string): ShownPage {
  return {
    status: 200,
    title: 'Connected',
    body: html`<h1>Your account at <strong>${server}</strong> is connected</h1>
<p class="hint">You may close this page. Tools of this server work from now on.</p>`,
  }
}
