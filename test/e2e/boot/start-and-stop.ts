import { startCluster } from '../../../db/embedded/cluster.ts'
import { startEmbedded } from '../../../db/embedded/start.ts'

// Starts the embedded database in a folder and stops it again. With a second folder, the server does not reach the first.

const [folder = '', refuge] = process.argv.slice(2)
const flags = ['fsync=off']
const { stop } = refuge
  ? await startCluster(folder, 'for-tests-only', { flags, refuge, reaches: async () => false })
  : await startEmbedded(folder, flags)
await stop()
