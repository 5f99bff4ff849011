/**
 * What a child process may know of this one's environment. Everything else could change what it does: PGHOST,
 * PGSERVICEFILE, PGOPTIONS, DBMATE_MIGRATIONS_DIR, NODE_OPTIONS, …
 */
const inherited = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  // Windows cannot start a program without the first.
  'SystemRoot',
  'TEMP',
  'TMP',
  'USERPROFILE',
  // How the tests find what is left of them.
  'TEST_RUN_ID',
]

/** The environment for a child process: what every program needs, messages in English, and what is given. */
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
