import { describe, expect, it } from 'vitest'
import { style } from './page-style.ts'

const [light = {}, dark = {}] = [...style.matchAll(/:root \{([^}]*)\}/g)].map(([, block = '']) =>
  Object.fromEntries(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{3,6})/g)].map(([, name = '', colour = '']) => [name, colour]),
  ),
)

/** WCAG 2.2, relative luminance and contrast ratio. */
function contrast(first: string | undefined, second: string | undefined): number {
  const [lighter = 0, darker = 0] = [luminance(first ?? ''), luminance(second ?? '')].toSorted(
    (left, right) => right - left,
  )
  return (lighter + 0.05) / (darker + 0.05)
}

function luminance(colour: string): number {
  const digits = colour.length === 4 ? colour.replaceAll(/[0-9a-f]/g, '$&$&') : colour
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(digits.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

describe('the pages that a person sees', () => {
  it.each([
    ['light', light],
    ['dark', dark],
  ])('can be read: %s', (_name, { ink, dim, card, back, go, bad, 'on-go': onGo }) => {
    for (const [text, ground] of [
      [ink, card],
      [dim, card],
      [bad, card],
      [ink, back],
      [onGo, go],
    ]) {
      expect([text, ground, contrast(text, ground)]).toEqual([text, ground, expect.any(Number)])
      expect(contrast(text, ground)).toBeGreaterThanOrEqual(4.5)
    }
    // Borders of what can be used, and the ring around what has the focus.
    expect(contrast(dim, card)).toBeGreaterThanOrEqual(3)
    expect(contrast(go, card)).toBeGreaterThanOrEqual(3)
  })
})
