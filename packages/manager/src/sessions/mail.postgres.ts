import type { NewId } from '@toolgate/core'
import { mcpSessionMail, publish, type Queries } from '@toolgate/db'
import { eq } from 'drizzle-orm'
import { mailNotice } from './notices.ts'

/** Bytes of a notification's payload, of which Postgres takes 8,000; what is longer waits in a row. */
const maxPayloadBytes = 7_000

export interface Announcement {
  readonly channel: string
  readonly message: string
  readonly newId: NewId
}

/** Tells every gateway; what is too long for a notification waits as mail, which its notice names. */
export async function announce(within: Queries, { channel, message, newId }: Announcement): Promise<void> {
  if (Buffer.byteLength(message) <= maxPayloadBytes) return publish(within, { channel, payload: message })
  const id = newId('mail')
  await within.insert(mcpSessionMail).values({ id, body: message })
  await publish(within, { channel, payload: mailNotice(id) })
}

/** Read by whoever it concerns, and each gateway looks: so it stays until it is old. */
export async function takeMail(db: Queries, id: string): Promise<string | undefined> {
  const [mail] = await db.select().from(mcpSessionMail).where(eq(mcpSessionMail.id, id))
  return mail?.body
}
