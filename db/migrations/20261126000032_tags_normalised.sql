-- migrate:up

-- From here on the API keeps each tag in Unicode NFC, and once; those that are there already follow. The owner sees no
-- rows while row-level security is forced.
alter table todos no force row level security;
update todos set version = version + 1, updated_at = now(), tags = (
  select array_agg(tag order by first)
  from (select normalize(tag) as tag, min(n) as first from unnest(tags) with ordinality as kept (tag, n) group by 1) as distinct_tags)
where cardinality(tags) > (select count(distinct tag) from unnest(tags) as tag)
   or exists (select from unnest(tags) as tag where tag is not normalized);
alter table todos force row level security;

-- migrate:down

-- Normalised tags are as valid without this.
select;
