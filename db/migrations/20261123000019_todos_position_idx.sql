-- migrate:up transaction:false

-- For sort=position. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_position_idx on todos (user_id, position, id);

-- migrate:down transaction:false

drop index concurrently todos_position_idx;
