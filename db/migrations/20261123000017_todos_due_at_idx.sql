-- migrate:up transaction:false

-- For sort=due_at, in which todos that are never due come last. CASE rather than coalesce(), which the planner does not know to be leakproof. Concurrently, and so alone in its file: writes go on meanwhile.
create index concurrently if not exists todos_due_at_idx on todos (user_id, (case when due_at is null then 'infinity' else due_at end), id);

-- migrate:down transaction:false

drop index concurrently todos_due_at_idx;
