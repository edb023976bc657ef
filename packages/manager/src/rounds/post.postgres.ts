import { type Logger, type NewId, randomId } from '@toolgate/core'
import { askStore, type Database, writeStore } from '@toolgate/db'
import { announce, takeMail } from '../sessions/mail.postgres.ts'
import { readNotice } from '../sessions/notices.ts'
import type { Post } from './post.ts'

const channel = 'toolgate_mcp_rounds'

/** By notifications, and for what is too long for one by the rows of `mcp_session_mail`. */
export function createPostgresPost(
  database: Pick<Database, 'db' | 'listen'>,
  { log, newId = randomId }: { readonly log: Logger; readonly newId?: NewId },
): Post {
  const { db } = database
  const bodyOf = async (text: string): Promise<string | undefined> => {
    const notice = readNotice(text)
    return notice?.kind === 'mail' ? askStore(() => takeMail(db, notice.mailId)) : text
  }
  return {
    send: (message) => writeStore(db, (within) => announce(within, { channel, message, newId })),
    listen(heard) {
      // One after the other: a long message must not be overtaken by the short one that ends it.
      let reading: Promise<void> = Promise.resolve()
      const read = async (text: string) => {
        try {
          const body = await bodyOf(text)
          if (body !== undefined) heard(body)
        } catch (error) {
          // Whoever waits for it hears nothing until its own time is up.
          log.warn({ err: error }, 'a message of another gateway could not be read')
        }
      }
      const changed = (text: string) => {
        reading = reading.then(() => read(text))
      }
      return database.listen(channel, { changed, resumed: () => {} })
    },
  }
}
