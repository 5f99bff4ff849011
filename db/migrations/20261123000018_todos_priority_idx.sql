-- migrate:up transaction:false

-- For sort=priority. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_priority_idx on todos (user_id, priority, id);

-- migrate:down transaction:false

drop index concurrently todos_priority_idx;
