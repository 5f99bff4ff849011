import { fragment, type ShardFragment, unlessSharded } from '../database/transaction.ts'

/** Records what a statement has `written`. Not on a sharded database, where transaction numbers cannot be compared. */
export const logWrites: ShardFragment = unlessSharded(fragment`, logged as (
    insert into todo_changes (todo_id, version) select id, version from written
  )`)
/** The same for what it has deleted. */
export const logDeletions: ShardFragment = unlessSharded(fragment`, logged as (
    insert into todo_changes (todo_id, version) select id, -version from written
  )`)
