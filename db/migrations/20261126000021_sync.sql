-- migrate:up

-- Each statement that writes a todo also records it here. A client that has seen everything up to a transaction number
-- then finds the rest by reading on from there. Numbers are given out in the order in which transactions begin to write,
-- and not in the order of their commits, so a reader stops before the oldest transaction that is still running.
--
-- A log of its own, because an index on such a column of todos would make every update of a todo write index entries.
create table todo_changes (
  user_id uuid not null default app.user_id(),
  xid xid8 not null default pg_current_xact_id(),
  todo_id uuid not null,
  version integer not null,
  changed_at timestamptz not null default now(),
  -- The version makes it unique: one transaction may write a todo several times.
  constraint todo_changes_pkey primary key (user_id, xid, todo_id, version),
  constraint todo_changes_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);

-- For the removal of old rows. Rows are added in the order of time, so a summary of each 128 pages is enough, and an
-- insert adds no entry.
create index todo_changes_changed_at_idx on todo_changes using brin (changed_at) with (autosummarize = on);

alter table todo_changes enable row level security;
alter table todo_changes force row level security;

create policy todo_changes_select_own on todo_changes for select to todo_api
  using (user_id = app.user_id());
create policy todo_changes_insert_own on todo_changes for insert to todo_api
  with check (user_id = app.user_id('todos:write'));
create policy todo_changes_select_auth on todo_changes for select to todo_auth
  using (changed_at < now() - interval '30 days');
create policy todo_changes_delete_auth on todo_changes for delete to todo_auth
  using (changed_at < now() - interval '30 days');

-- xid and changed_at are set by their defaults alone.
grant select (user_id, xid, todo_id, version), insert (todo_id, version) on todo_changes to todo_api;
grant select (user_id, xid, todo_id, version, changed_at), delete on todo_changes to todo_auth;

comment on table todo_changes is 'Which transaction wrote which todo, for 30 days. Read by clients that keep a copy of their todos.';
comment on column todo_changes.xid is 'The number of the transaction that wrote the todo.';
comment on column todo_changes.version is 'The version that it wrote; negative when it deleted the todo.';
comment on policy todo_changes_select_own on todo_changes is 'Users see the changes of their own todos only.';
comment on policy todo_changes_insert_own on todo_changes is 'With todos:write, a write of a todo is recorded.';
comment on policy todo_changes_select_auth on todo_changes is 'The removal finds old rows; no function reads others.';
comment on policy todo_changes_delete_auth on todo_changes is 'app.remove_changes removes old rows.';

create table sync_horizons (
  epoch text not null,
  xid xid8 not null,
  constraint sync_horizons_pkey primary key (epoch)
);
alter table sync_horizons enable row level security;
alter table sync_horizons force row level security;
create policy sync_horizons_select_auth on sync_horizons for select to todo_auth using (true);
create policy sync_horizons_insert_auth on sync_horizons for insert to todo_auth with check (true);
create policy sync_horizons_update_auth on sync_horizons for update to todo_auth using (true) with check (true);
grant select (epoch, xid), insert (epoch, xid), update (xid) on sync_horizons to todo_auth;
comment on table sync_horizons is 'Up to which transaction changes may have been removed.';
comment on column sync_horizons.epoch is 'app.sync_state() of the time: after a restore the numbers of transactions mean something else.';
comment on policy sync_horizons_select_auth on sync_horizons is 'app.sync_state reads the horizon.';
comment on policy sync_horizons_insert_auth on sync_horizons is 'app.remove_changes moves it.';
comment on policy sync_horizons_update_auth on sync_horizons is 'app.remove_changes moves it.';

do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
grant create on schema app, identity to todo_auth;
set local role todo_auth;

-- The server, its timeline, the database and the table: a dump that is restored, a standby that takes over and a
-- restore to a point in time each change one of them. Nothing is stored, so no dump carries it along.
create function identity.sync_epoch() returns text
  language sql stable parallel restricted set search_path = pg_catalog, pg_temp
  return (select concat_ws('.', s.system_identifier, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
            (select d.oid from pg_database d where d.datname = current_database()), 'public.todo_changes'::regclass::oid)
          from pg_control_system() s);
comment on function identity.sync_epoch() is 'Names the history in which transaction numbers can be compared.';

create function app.sync_state(out epoch text, out horizon xid8, out xmin xid8)
  language sql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
begin atomic
  select e.epoch, coalesce(h.xid, '0'), pg_snapshot_xmin(pg_current_snapshot())
  from (select identity.sync_epoch() as epoch) e left join public.sync_horizons h on h.epoch = e.epoch;
end;
comment on function app.sync_state() is
  'The history that transaction numbers belong to, the last of which changes may be missing, and the oldest that is still running.';

create function app.remove_changes(batch integer) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  removed integer;
  newest xid8;
begin
  with old as (
    delete from public.todo_changes where (user_id, xid, todo_id, version) in
      (select user_id, xid, todo_id, version from public.todo_changes
       where changed_at < now() - interval '30 days' limit least(batch, 1000))
    returning xid
  )
  -- A row of an older history may have a number that this one has not reached.
  select count(*), max(old.xid) filter (where old.xid < pg_snapshot_xmin(pg_current_snapshot())) into removed, newest
  from old;
  if newest is not null then
    insert into public.sync_horizons as h (epoch, xid) values (identity.sync_epoch(), newest)
    on conflict on constraint sync_horizons_pkey do update set xid = greatest(h.xid, excluded.xid);
  end if;
  return removed;
end
$$;
comment on function app.remove_changes(integer) is
  'Removes recorded changes after 30 days, at most that many and never more than 1,000, and returns how many were removed.';
grant execute on function app.sync_state(), app.remove_changes(integer) to todo_api;

reset role;
revoke create on schema app, identity from todo_auth;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;

-- migrate:down

do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('grant todo_auth to %I', current_user);
  end if;
end
$$;
set local role todo_auth;
drop function app.remove_changes(integer), app.sync_state(), identity.sync_epoch();
reset role;
do $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    execute format('revoke todo_auth from %I', current_user);
  end if;
end
$$;
drop table sync_horizons;
drop table todo_changes;
