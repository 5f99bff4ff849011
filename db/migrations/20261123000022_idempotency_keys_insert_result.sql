-- migrate:up

grant insert (result) on idempotency_keys to todo_api;

comment on policy idempotency_keys_insert_own on idempotency_keys is 'A write keeps its result under its key, with the scope of the write.';
comment on policy idempotency_keys_update_own on idempotency_keys is 'A write may take over a key that has expired.';

-- migrate:down

revoke insert (result) on idempotency_keys from todo_api;

comment on policy idempotency_keys_insert_own on idempotency_keys is 'A write claims its key, with the scope of the write.';
comment on policy idempotency_keys_update_own on idempotency_keys is 'A write keeps its result under its key, and may claim one that has expired.';
