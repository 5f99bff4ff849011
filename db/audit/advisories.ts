/** The first minor version of each supported PostgreSQL that has a fix. */
interface Advisory {
  cve: string
  hole: string
  fixedIn: Readonly<Record<number, number>>
}

// Holes in row-level security and in the privileges that protect it, from the release notes of PostgreSQL.
const advisories: readonly Advisory[] = [
  { cve: 'CVE-2023-2455', hole: 'cached plans apply the policies of another role', fixedIn: { 15: 3 } },
  { cve: 'CVE-2023-39418', hole: 'MERGE ignores policies', fixedIn: { 15: 4 } },
  {
    cve: 'CVE-2024-10976',
    hole: 'cached plans apply the policies of another role',
    fixedIn: { 15: 9, 16: 5, 17: 1 },
  },
  { cve: 'CVE-2024-10978', hole: 'SET ROLE can be reset to another role', fixedIn: { 15: 9, 16: 5, 17: 1 } },
  {
    cve: 'CVE-2025-8713',
    hole: 'statistics reveal rows that policies hide',
    fixedIn: { 15: 14, 16: 10, 17: 6 },
  },
  {
    cve: 'CVE-2026-2006',
    hole: 'malformed text lets any role run code in the server',
    fixedIn: { 15: 16, 16: 12, 17: 8, 18: 2 },
  },
  {
    cve: 'CVE-2026-6473',
    hole: 'oversized values let any role run code in the server',
    fixedIn: { 15: 18, 16: 14, 17: 10, 18: 4 },
  },
  {
    cve: 'CVE-2026-120154',
    hole: 'INSERT … ON CONFLICT shows rows that policies hide to expressions of the statement',
    fixedIn: { 15: 20, 16: 16, 17: 12, 18: 7 },
  },
]

/**
 * The known holes of a server's minor version.
 * @param version as `server_version_num` has it, such as 150018
 */
export function findAdvisories(version: number): string[] {
  const [major, minor] = [Math.floor(version / 10_000), version % 10_000]
  return advisories
    .filter(({ fixedIn }) => minor < (fixedIn[major] ?? 0))
    .map(({ cve, hole, fixedIn }) => `${cve}: ${hole}; fixed in ${major}.${fixedIn[major]}`)
}
