/**
 * The variables that child processes inherit. Others could change their behaviour: PGHOST, PGSERVICEFILE, PGOPTIONS,
 * DBMATE_MIGRATIONS_DIR, NODE_OPTIONS, …
 */
const inherited = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Windows cannot start programs without SystemRoot.
  'SystemRoot',
  'TEMP',
  'TMP',
  'USERPROFILE',
  // Tests find their leftover processes by it.
  'TEST_RUN_ID',
]

/** Creates the environment of a child process: the inherited variables, messages in English, and `given`. */
export function childEnvironment(given: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const kept = inherited.map((name) => [name, process.env[name]] as const)
  const defined = [...kept, ...Object.entries(given)].filter(([, value]) => value !== undefined)
  return { LC_ALL: 'C', ...Object.fromEntries(defined) }
}

/**
 * For the connections of a migration: it gives up before the requests that queue behind its lock become too many. It is
 * longer than any transaction of the API, so that an index can be built concurrently.
 */
export const lockTimeout = { PGOPTIONS: '-c lock_timeout=15s' }
