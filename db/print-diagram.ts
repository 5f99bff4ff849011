import { findTarget, withConnection } from './connect.ts'
import { drawTables } from './diagram.ts'

try {
  process.stdout.write(await withConnection(findTarget(), drawTables))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
