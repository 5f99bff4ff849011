-- migrate:up

-- Words are compared without case and accents: decomposed (Unicode NFD), the combining marks taken away.
-- Each is hashed together with its user. So one index serves all users, and looking into it touches
-- one user's entries only: not even time tells which words others use.
create function app.search_keys(owner uuid, words text) returns bigint[]
  language sql immutable parallel safe
  return (
    select array_agg(hashtextextended(lexeme, hashtextextended(owner::text, 0)))
    from unnest(to_tsvector('pg_catalog.simple',
      lower(regexp_replace(normalize(words, nfd), '[\u0300-\u036f]', '', 'g')))) as word
  );
comment on function app.search_keys(uuid, text) is 'The words of a text as one user''s search keys; null when there is none.';

-- Row-level security lets no index be searched by an operator that is not leakproof, as those of arrays
-- are not. So this function, which no policy confines, finds the candidates, and the policies decide
-- about each of them in the query that asked.
create function app.search_todos(words text) returns setof uuid
  language sql stable security definer set search_path = ''
begin atomic
  select id from public.todos
  where user_id = app.user_id()
    and app.search_keys(user_id, title || ' ' || coalesce(notes, '')) operator(pg_catalog.@>) app.search_keys(app.user_id(), words);
end;
comment on function app.search_todos(text) is 'The todos of the transaction''s user that have every one of the words in title or notes.';

grant create on schema app to todo_auth;
alter function app.search_todos(text) owner to todo_auth;
revoke create on schema app from todo_auth;
grant execute on function app.search_keys(uuid, text) to todo_api, todo_auth;
grant execute on function app.search_todos(text) to todo_api;

create policy todos_select_auth on todos for select to todo_auth using (true);
grant select (user_id, id, title, notes) on todos to todo_auth;
comment on policy todos_select_auth on todos is 'app.search_todos looks for words, and hands out nothing but ids of the transaction''s user.';

-- migrate:down

revoke select (user_id, id, title, notes) on todos from todo_auth;
drop policy todos_select_auth on todos;
drop function app.search_todos(text);
drop function app.search_keys(uuid, text);
