import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../../db/embedded/start.ts'

/**
 * Starts an embedded PostgreSQL in a folder of its own.
 * @param flags settings for the server, as `name=value`
 * @returns what it gives, the folder, and how to stop it, of which nothing is left
 */
export async function startTemporary(flags: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'todo-api-'))
  // Root's PostgreSQL runs as nobody, who must get in.
  chmodSync(folder, 0o755)
  const remove = () => {
    // A link to where the cluster is, if nobody does not get in after all.
    const cluster = join(folder, 'postgres')
    if (existsSync(cluster)) rmSync(realpathSync(cluster), { recursive: true })
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const embedded = await startEmbedded(folder, flags)
    return { ...embedded, folder, stop: () => embedded.stop().finally(remove) }
  } catch (error) {
    remove()
    throw error
  }
}
