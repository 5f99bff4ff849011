-- migrate:up transaction:false

-- For sort=title. By code points, which no locale of a server changes. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_title_idx on todos (user_id, title collate "C", id);

-- migrate:down transaction:false

drop index concurrently todos_title_idx;
