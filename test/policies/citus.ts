import { readFileSync } from 'node:fs'

export const placement = readFileSync('db/citus.sql', 'utf8')

/** Stand-ins for what db/citus.sql uses of Citus: they write down what it asks for. */
export const standIns = `
  create table pg_dist_partition (logicalrelid regclass, key text, colocated text);
  create function create_distributed_table(name regclass, key text, colocate_with text) returns void
    language sql as 'insert into pg_dist_partition values (name, key, colocate_with)';
  create function truncate_local_data_after_distributing_a_table(name regclass) returns void
    language plpgsql as $$ begin execute format('truncate %s cascade', name); end $$;
  create table sent_to_nodes (id serial, command text);
  create function run_command_on_workers(command text)
    returns table (nodename text, nodeport integer, success boolean, result text) language sql
    as $$ insert into sent_to_nodes (command) values (command) returning 'node', 5432, true, 'DO' $$`
