-- Workers. What the nodes write (the lease) and what people write (the stop code) are two tables,
-- because a row that a person has changed in an open transaction cannot be renewed by its node, and
-- a lease that is not renewed ends in killed tasks. The view long_task.worker shows both as one row.

CREATE TABLE long_task.worker_lease (
  worker_id    integer     NOT NULL,
  group_id     integer     NOT NULL,
  epoch        bigint      NOT NULL DEFAULT 0,
  active       boolean     NOT NULL DEFAULT false,
  locked_until timestamptz NOT NULL DEFAULT '-infinity',
  task_count   integer     NOT NULL DEFAULT 0,
  slots        integer     NOT NULL DEFAULT 0,
  node_name    text,
  host         text,
  pid          integer,
  version      text,
  since        timestamptz,
  CONSTRAINT worker_lease_pkey PRIMARY KEY (worker_id),
  CONSTRAINT worker_lease_has_slots CHECK (slots >= 0)
) WITH (fillfactor = 50);

COMMENT ON TABLE long_task.worker_lease IS
  'The lease of each worker: which node serves it, and until when. Written by the nodes'' procedures only.';
COMMENT ON COLUMN long_task.worker_lease.worker_id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_lease.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker_lease.epoch IS 'Grows with each new holder; a call under an older one is refused.';
COMMENT ON COLUMN long_task.worker_lease.active IS 'Whether a node holds it, as far as is known.';
COMMENT ON COLUMN long_task.worker_lease.locked_until IS 'End of the lease by the database''s clock.';
COMMENT ON COLUMN long_task.worker_lease.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';
COMMENT ON COLUMN long_task.worker_lease.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker_lease.node_name IS 'Name of the node that holds it, or held it last.';
COMMENT ON COLUMN long_task.worker_lease.host IS 'Host name of that node.';
COMMENT ON COLUMN long_task.worker_lease.pid IS 'Process id of that node.';
COMMENT ON COLUMN long_task.worker_lease.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker_lease.since IS 'When that node took the lease.';

CREATE TABLE long_task.worker_stop (
  worker_id integer  NOT NULL,
  stop      smallint NOT NULL DEFAULT 0,
  CONSTRAINT worker_stop_pkey PRIMARY KEY (worker_id),
  CONSTRAINT worker_stop_is_known CHECK (stop BETWEEN 0 AND 3)
);

COMMENT ON TABLE long_task.worker_stop IS
  'What people ask of a worker; written through the view long_task.worker.';
COMMENT ON COLUMN long_task.worker_stop.worker_id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_stop.stop IS
  '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';

CREATE TABLE long_task.deleted_attempt (
  task_id    bigint      NOT NULL,
  attempt    integer     NOT NULL,
  group_id   integer     NOT NULL,
  worker_id  integer     NOT NULL,
  started    timestamptz,
  started_by text        NOT NULL,
  CONSTRAINT deleted_attempt_pkey PRIMARY KEY (worker_id, task_id)
);

COMMENT ON TABLE long_task.deleted_attempt IS
  'Executing tasks whose row was deleted: their processes are to be killed, and their attempts to be kept as history.';
COMMENT ON COLUMN long_task.deleted_attempt.task_id IS 'Id of the deleted row.';
COMMENT ON COLUMN long_task.deleted_attempt.attempt IS 'The attempt that was executing.';
COMMENT ON COLUMN long_task.deleted_attempt.group_id IS 'Group the task was in.';
COMMENT ON COLUMN long_task.deleted_attempt.worker_id IS 'The worker that executes it.';
COMMENT ON COLUMN long_task.deleted_attempt.started IS 'When it was claimed.';
COMMENT ON COLUMN long_task.deleted_attempt.started_by IS 'What had queued the task.';
