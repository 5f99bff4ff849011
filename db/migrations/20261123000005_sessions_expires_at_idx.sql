-- migrate:up transaction:false

-- For the removal of expired sessions. Concurrently, and so alone in its file: logins go on meanwhile.
create index concurrently if not exists sessions_expires_at_idx on identity.sessions (expires_at);

-- migrate:down transaction:false

drop index concurrently identity.sessions_expires_at_idx;
