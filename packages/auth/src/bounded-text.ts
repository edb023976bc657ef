/** Somebody answered with more than is read. */
export class BodyTooLong extends Error {}

/** The body of an answer to a `fetch`, as UTF-8. Rejects with `BodyTooLong` beyond `maxBytes`: what a stranger answers with is as long as it likes. */
export async function boundedText(response: Response, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > maxBytes) throw new BodyTooLong(`more than ${maxBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
