/** What is said in each dialect, in the fields of a piece. Responses say it again when a part is done. */
const words = /"(?:content|text|reasoning_content|thinking|arguments|partial_json)"\s{0,9}:\s{0,9}"/g
const wordsOfResponses = /"delta"\s{0,9}:\s{0,9}"/g
const responses = /"type"\s{0,9}:\s{0,9}"response\./

/** Characters that a model said in one event, as they are written there: it is not parsed for them. */
export function wordsIn(data: string): number {
  const field = new RegExp(responses.test(data) ? wordsOfResponses : words)
  let characters = 0
  while (field.test(data)) {
    const begin = field.lastIndex
    const end = endOfString(data, begin)
    characters += end - begin
    field.lastIndex = end + 1
  }
  return characters
}

/** Where a string ends that begins there: strings may be longer than an engine's stack lets an expression match. */
function endOfString(data: string, begin: number): number {
  for (let quote = data.indexOf('"', begin); quote !== -1; quote = data.indexOf('"', quote + 1)) {
    let backslash = quote
    while (backslash > begin && data[backslash - 1] === '\\') backslash -= 1
    if ((quote - backslash) % 2 === 0) return quote
  }
  return data.length
}

const ends = [
  // A piece of Gemini's that says how it finished; more than one may.
  /"finishReason"\s{0,9}:/,
  /"type"\s{0,9}:\s{0,9}"(?:response\.completed|response\.incomplete|message_stop)"/,
]

/** After this a client has its answer, whatever becomes of the connection: Codex hangs up at once. */
export function isEnd(data: string): boolean {
  return data === '[DONE]' || ends.some((end) => end.test(data))
}
