import type { User } from '../auth/schema.ts'
import type { Tx } from '../database.ts'

/** The user who is asking: the policy leaves this one row. */
export const getMe = (tx: Tx) => tx<User>`select id, email, created_at from users`
