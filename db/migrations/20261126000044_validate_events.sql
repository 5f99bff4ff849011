-- migrate:up

-- In a file of its own: a validation in the transaction that adds the constraint blocks writes while it reads the table.
alter table identity.events validate constraint events_kind_known;

-- migrate:down

-- Nothing to undo: the constraint is the same.
