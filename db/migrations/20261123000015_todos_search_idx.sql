-- migrate:up transaction:false

-- For app.search_todos. No list of pending entries, which every search would have to read. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_search_idx on todos using gin (app.search_keys(user_id, title || ' ' || coalesce(notes, ''))) with (fastupdate = off);

-- migrate:down transaction:false

drop index concurrently todos_search_idx;
