import type { Config } from '../config.ts'
import { ApiError } from '../http/errors.ts'
import { createSignedText } from '../http/signed-text.ts'
import type { Position, SyncState } from './sync.ts'

/** Where a client is: reading all todos, or the changes since. */
export interface SyncPlace extends Position {
  kind: 'snapshot' | 'changes'
  epoch: string
  /** When the token was made, in seconds since 1970. */
  time: number
}

/** Sorts before every id and version. */
export const FIRST = { id: '00000000-0000-0000-0000-000000000000', version: -2147483648 }

const TEXT = /^([sc]):([\w.]+):(\d+):(\d+):([\da-f-]{36}):(-?\d+)$/

/** Sync tokens: a place in the log of changes, signed together with the user. */
export type SyncTokens = ReturnType<typeof createSyncTokens>
export function createSyncTokens(config: Config) {
  const signed = createSignedText(config, 'sync token v1')
  return {
    write({ kind, epoch, time, xid, id, version }: SyncPlace, userId: string): string {
      return signed.write([kind[0], epoch, time, xid, id, version].join(':'), userId)
    },
    /** @throws {ApiError} invalid_cursor (400) */
    read(token: string, userId: string): SyncPlace {
      const [, kind, epoch = '', time, xid = '', id = '', version] =
        TEXT.exec(signed.read(token, userId) ?? '') ?? []
      if (!kind) throw new ApiError('invalid_cursor')
      return {
        kind: kind === 's' ? 'snapshot' : 'changes',
        epoch,
        time: Number(time),
        xid,
        id,
        version: Number(version),
      }
    },
  }
}

/**
 * Whether changes after a place may be missing: some were removed, or the database was restored or replaced by another
 * one. A number from the future is from a history that was lost.
 */
export const isExpired = ({ epoch, xid }: SyncPlace, state: SyncState): boolean =>
  epoch !== state.epoch || BigInt(xid) > BigInt(state.xmin) || BigInt(xid) <= BigInt(state.horizon)
