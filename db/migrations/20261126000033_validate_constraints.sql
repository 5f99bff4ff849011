-- migrate:up

-- In a transaction of its own, so that no lock that blocks others is held while the rows are checked.
alter table identity.secret_keys validate constraint secret_keys_purpose_known;
alter table identity.events validate constraint events_kind_known;

-- migrate:down

-- A validated constraint needs no undoing.
select 1;
