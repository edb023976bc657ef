import type { Caller, Principal } from '@toolgate/core'
import type { News, Session } from '@toolgate/manager'
import { AdmittedNews } from '../admitted-news.ts'
import type { EventStream } from '../event-stream.ts'
import { renewalMs, UpstreamInterest, type UpstreamInterestOptions } from '../upstream-interest.ts'
import type { View } from '../view.ts'

export interface ListeningClient {
  readonly session: Session
  /** What it listens on. */
  readonly stream: EventStream
  /** Who opened the stream, with what it brought for upstreams. */
  readonly caller: Caller
  readonly view: View
  readonly admitAgain: (signal: AbortSignal) => Promise<Principal>
}

/**
 * Lets a client listen, and keeps what its session is subscribed to at upstreams as long as it does: after a restart, at
 * another gateway, or after a connection there was closed, this is what subscribes again.
 */
export function listenWithSubscriptions(
  options: UpstreamInterestOptions,
  { session, stream, caller, view, admitAgain }: ListeningClient,
): void {
  const { clock, log } = options
  const { signal } = stream
  const news = new AdmittedNews({
    clock,
    signal,
    admitAgain,
    admitted: (principal) => void (session.principal = principal),
    say: (notification) => stream.send(notification),
    // What is said there is answered nowhere: the end of the stream, and then the next request, say it.
    dismiss: () => stream.close(),
  })
  const interest = new UpstreamInterest(options)
  const tell = (uri: string) =>
    session.tell({ notification: { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } } })

  const renew = async () => {
    const uris = [...session.subscriptions]
    if (uris.length === 0 || stream.signal.aborted) return
    try {
      const principal = await admitAgain(stream.signal)
      const asking = { ...caller, principal, peer: session.peer(stream) }
      await interest.renew({ caller: asking, view, uris, until: stream.signal }, tell)
    } catch (error) {
      // Who may no longer come in hears nothing more; where nobody knows the next renewal asks again.
      log.debug({ err: error }, 'subscriptions of a session were not renewed')
    }
  }

  const resume = async () => {
    await renew()
    // Nobody here listened to its servers before.
    for (const uri of session.resumed()) tell(uri)
  }

  const listener = {
    signal,
    close: () => stream.close(),
    tell(one: News) {
      news.keep(one)
      void news.look()
    },
  }
  session.listen(listener, () => void renew())
  // After the session knows that nobody listens here: what was not told yet waits there, or goes to the stream that came instead.
  signal.addEventListener('abort', () => news.take().forEach((one) => session.tell(one)), { once: true })
  news.start()
  const cancel = clock.every(renewalMs, () => void renew())
  stream.signal.addEventListener('abort', cancel, { once: true })
  void resume()
}
