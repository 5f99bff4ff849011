-- migrate:up

-- STABLE and plain SQL, so that the planner inlines it into the index condition and calls it once per scan.
-- After a commit a custom setting is '', not null, hence nullif.
create function app.user_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.user_id', true), '')::uuid;
comment on function app.user_id() is 'The user of this transaction, set by app.authenticate; null when there is none.';

create function app.credential_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.credential_id', true), '')::uuid;
comment on function app.credential_id() is 'The session or personal access token that authenticated this transaction.';

create function app.scopes() returns text[]
  language sql stable parallel safe
  return string_to_array(coalesce(current_setting('app.scopes', true), ''), ' ');
comment on function app.scopes() is 'The scopes of this transaction''s credential.';

create function app.has_scope(scope text) returns boolean
  language sql stable parallel safe
  return coalesce(scope = any (string_to_array(current_setting('app.scopes', true), ' ')), false);
comment on function app.has_scope(text) is 'Whether this transaction''s credential has the scope.';

grant execute on function app.user_id(), app.credential_id(), app.has_scope(text) to todo_api, todo_auth;
grant execute on function app.scopes() to todo_api;

-- migrate:down

drop function app.has_scope(text);
drop function app.scopes();
drop function app.credential_id();
drop function app.user_id();
