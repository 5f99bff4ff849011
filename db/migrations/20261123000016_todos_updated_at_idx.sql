-- migrate:up transaction:false

-- For sort=updated_at. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_updated_at_idx on todos (user_id, updated_at, id);

-- migrate:down transaction:false

drop index concurrently todos_updated_at_idx;
