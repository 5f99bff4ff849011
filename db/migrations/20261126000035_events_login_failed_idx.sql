-- migrate:up transaction:false

-- For app.login, which looks for the failures of the last hour: without it the time of a refused login would grow with
-- the trail, and so tell that there is one. Written by failed logins alone. Concurrently, and so alone in its file.
create index concurrently events_login_failed_idx on identity.events (user_id, created_at) where kind = 'login_failed';

-- migrate:down transaction:false

drop index concurrently identity.events_login_failed_idx;
