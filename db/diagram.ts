import type { Sql } from 'postgres'

// The foreign keys; `once` when at most one row can refer to the same parent (`o|`), otherwise `o{`.
const relationships = `
select confrelid::regclass::text as parent, f.conrelid::regclass::text as child,
       exists (select from pg_index i where i.indrelid = f.conrelid and i.indisunique
         and i.indkey::smallint[] <@ f.conkey and f.conkey <@ i.indkey::smallint[]) as once,
       (select string_agg(attname, ', ' order by n) from unnest(f.conkey) with ordinality as k (attnum, n)
          join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum) as columns
from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
where f.contype = 'f' and nspname in ('public', 'identity')
order by f.confrelid, f.conrelid`

const columns = `
select c.oid::regclass::text as table, attname as name,
       case when typelem <> 0 and typlen = -1 then format_type(typelem, null) || '_array' else format_type(atttypid, null) end as type,
       (select string_agg(distinct case contype when 'p' then 'PK' when 'u' then 'UK' else 'FK' end, ', ')
        from pg_constraint k where conrelid = c.oid and contype in ('p', 'u', 'f') and attnum = any (conkey)) as keys
from pg_class c join pg_namespace n on n.oid = relnamespace
join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped join pg_type t on t.oid = atttypid
where relkind in ('r', 'p') and nspname in ('public', 'identity') and relname <> 'schema_migrations'
order by c.oid, attnum`

/** Draws the tables, columns and foreign keys of a database as a Mermaid entity-relationship diagram. */
export async function drawTables(sql: Sql): Promise<string> {
  const short = (table: string) => table.replace('identity.', '')
  const lines = ['erDiagram']
  for (const { parent, child, once, columns } of await sql.unsafe(relationships))
    lines.push(`  ${short(parent)} ||--o${once ? '|' : '{'} ${short(child)} : "${columns}"`)
  const tables: Record<string, string[]> = {}
  for (const { table, name, type, keys } of await sql.unsafe(columns)) {
    const kind = type.replaceAll(' ', '_').replace('timestamp_with_time_zone', 'timestamptz')
    tables[short(table)] = [...(tables[short(table)] ?? []), `    ${kind} ${name} ${keys ?? ''}`.trimEnd()]
  }
  for (const [table, members] of Object.entries(tables)) lines.push(`  ${table} {`, ...members, '  }')
  return `${lines.join('\n')}\n`
}
