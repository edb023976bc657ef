/** Of the pages of the authorization server, for light and dark. */
export const style = `
:root { color-scheme: light dark; --ink: #1c2733; --dim: #566472; --line: #d4dbe2; --card: #fff; --back: #eef2f6; --go: #17594a; --on-go: #fff; --bad: #9c2a1c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --dim: #a3b0bd; --line: #36424f; --card: #1b232c; --back: #11171d; --go: #4db79d; --on-go: #07211a; --bad: #f0a195 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; grid-template-columns: minmax(0, 30rem); place-content: center; padding: 1.5rem; background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { min-width: 0; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.brand { margin: 0 0 1.25rem; color: var(--dim); font-size: .875rem; letter-spacing: .08em; text-transform: uppercase }
h1 { margin: 0 0 1.25rem; font-size: 1.375rem; line-height: 1.3; font-weight: 500; overflow-wrap: anywhere }
dl { margin: 0 0 1.5rem; border-top: 1px solid var(--line) }
dt { padding-top: .75rem; color: var(--dim); font-size: .875rem }
dd { margin: 0; padding-bottom: .75rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
code { font: .875em/1.5 ui-monospace, monospace; color: var(--dim) }
label { display: block; margin-bottom: .375rem; font-weight: 600 }
input[type=password] { width: 100%; padding: .625rem .75rem; border: 1px solid var(--dim); border-radius: 8px; background: var(--card); color: inherit; font: 1rem ui-monospace, monospace }
::placeholder { color: var(--dim); opacity: 1 }
input[aria-invalid] { border-color: var(--bad) }
.hint { margin: .5rem 0 0; color: var(--dim); font-size: .875rem }
.fault { margin: 0 0 1rem; padding: .625rem .75rem; border-left: 4px solid var(--bad); color: var(--bad); overflow-wrap: anywhere }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 }
button, .button { flex: 1 1 9rem; min-width: 0; overflow-wrap: anywhere; text-align: center; text-decoration: none; padding: .75rem; border: 1px solid var(--go); border-radius: 8px; background: var(--go); color: var(--on-go); font: 600 1rem system-ui, sans-serif; cursor: pointer }
button.quiet { background: none; border-color: var(--dim); color: inherit }
@media (max-width: 26rem) {
  body { padding: .75rem }
  main { padding: 1.25rem }
}
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px }
`
