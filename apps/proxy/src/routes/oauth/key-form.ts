import { html } from 'hono/html'
import type { Html } from './page.ts'

export interface KeyForm {
  /** Where it goes, as a path. */
  readonly action: string
  /** The sealed request. */
  readonly pending: string
  /** What was wrong with the last try. */
  readonly fault: string | undefined
  /** What becomes of the key. */
  readonly hint: string
  readonly buttons: Html
}

/** Where a person shows a virtual key, and says what it is for. */
export function keyForm({ action, pending, fault, hint, buttons }: KeyForm): Html {
  return html`${fault === undefined ? '' : html`<p class="fault" role="alert" id="fault">${fault}</p>`}
<form method="post" action="${action}">
<input type="hidden" name="request" value="${pending}">
<label for="key">Your key</label>
<input id="key" name="key" type="password" autocomplete="current-password" spellcheck="false" placeholder="sk-…"
aria-describedby="${fault === undefined ? 'hint' : 'fault hint'}" ${fault === undefined ? '' : html`aria-invalid="true"`} autofocus>
<p class="hint" id="hint">${hint}</p>
<div class="buttons">
${buttons}
</div>
</form>`
}
