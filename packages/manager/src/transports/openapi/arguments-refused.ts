/** The arguments do not make a request of this operation. The message is for the model, and completes "The arguments are refused: …". */
export class ArgumentsRefused extends Error {
  override readonly name = 'ArgumentsRefused'
}
