-- Workers. What the nodes write (the lease) and what people write (the stop code) are two tables,
-- because a row that a person has changed in an open transaction cannot be renewed by its node, and
-- a lease that is not renewed ends in killed tasks. The view long_task.worker shows both as one row.

-- Epochs of all workers, so that the epoch of a worker that was deleted never comes again.
CREATE SEQUENCE long_task.worker_epoch;

COMMENT ON SEQUENCE long_task.worker_epoch IS
  'Numbers the holders of leases.';

CREATE TABLE long_task.worker_lease (
  worker_id      integer     NOT NULL,
  group_id       integer     NOT NULL,
  epoch          bigint      NOT NULL DEFAULT 0,
  active         boolean     NOT NULL DEFAULT false,
  locked_until   timestamptz NOT NULL DEFAULT '-infinity',
  lease_duration interval    NOT NULL DEFAULT '0',
  recovery_delay interval    NOT NULL DEFAULT '0',
  task_count     integer     NOT NULL DEFAULT 0,
  slots          integer     NOT NULL DEFAULT 0,
  node_name      text,
  host           text,
  pid            integer,
  process        text,
  connection     integer     NOT NULL DEFAULT 0,
  version        text,
  since          timestamptz,
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
COMMENT ON COLUMN long_task.worker_lease.lease_duration IS 'How long the lease lasts from each renewal.';
COMMENT ON COLUMN long_task.worker_lease.recovery_delay IS 'How long after its end others wait before they take the lease to be lost.';
COMMENT ON COLUMN long_task.worker_lease.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';
COMMENT ON COLUMN long_task.worker_lease.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker_lease.node_name IS 'Name of the node that holds it, or held it last.';
COMMENT ON COLUMN long_task.worker_lease.host IS 'Host name of that node.';
COMMENT ON COLUMN long_task.worker_lease.pid IS 'Process id of that node.';
COMMENT ON COLUMN long_task.worker_lease.process IS 'Boot id, host, account, pid namespace, pid and start of that node: on its machine one can tell whether it is dead.';
COMMENT ON COLUMN long_task.worker_lease.connection IS 'Number of the connection over which that node speaks; what an earlier one left behind on its way is refused.';
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

CREATE TABLE long_task.worker_standby (
  worker_id  integer     NOT NULL,
  process    text        NOT NULL,
  group_id   integer     NOT NULL,
  slots      integer     NOT NULL,
  node_name  text        NOT NULL,
  host       text        NOT NULL,
  pid        integer     NOT NULL,
  version    text        NOT NULL,
  since      timestamptz NOT NULL,
  seen       timestamptz NOT NULL,
  seen_until timestamptz NOT NULL,
  CONSTRAINT worker_standby_pkey PRIMARY KEY (worker_id, process)
);

COMMENT ON TABLE long_task.worker_standby IS
  'Nodes that wait for a worker which another node holds. Written by the nodes'' procedures only.';
COMMENT ON COLUMN long_task.worker_standby.worker_id IS 'The worker they wait for.';
COMMENT ON COLUMN long_task.worker_standby.process IS 'Boot id, host, account, pid namespace, pid and start of the node.';
COMMENT ON COLUMN long_task.worker_standby.group_id IS 'Group it would serve.';
COMMENT ON COLUMN long_task.worker_standby.slots IS 'Largest number of processes at once that it would run.';
COMMENT ON COLUMN long_task.worker_standby.node_name IS 'Name of the node.';
COMMENT ON COLUMN long_task.worker_standby.host IS 'Host name of the node.';
COMMENT ON COLUMN long_task.worker_standby.pid IS 'Process id of the node.';
COMMENT ON COLUMN long_task.worker_standby.version IS 'Release of pg_tasks on the node.';
COMMENT ON COLUMN long_task.worker_standby.since IS 'When it began to wait.';
COMMENT ON COLUMN long_task.worker_standby.seen IS 'When it last asked for the worker.';
COMMENT ON COLUMN long_task.worker_standby.seen_until IS 'A node that has not asked again by then is gone.';

CREATE TABLE long_task.worker_event (
  id         bigint      GENERATED ALWAYS AS IDENTITY,
  at         timestamptz NOT NULL DEFAULT long_task.clock(),
  kind       text        NOT NULL,
  worker_id  integer     NOT NULL,
  epoch      bigint      NOT NULL,
  node_name  text,
  task_count integer     NOT NULL DEFAULT 0,
  detail     text,
  CONSTRAINT worker_event_pkey PRIMARY KEY (id),
  CONSTRAINT worker_event_kind_is_known CHECK (kind IN ('taken', 'taken over', 'recovered', 'left', 'hook failed'))
);

COMMENT ON TABLE long_task.worker_event IS
  'What happened to the leases of workers. Append-only; nothing reads it but people, who may delete what is old.';
COMMENT ON COLUMN long_task.worker_event.id IS 'In the order of happening.';
COMMENT ON COLUMN long_task.worker_event.at IS 'When it happened.';
COMMENT ON COLUMN long_task.worker_event.kind IS 'taken (nobody held it), taken over (its node had failed), recovered (its node had failed; another worker''s node, or a person, gave its tasks back), left (its node gave it back), hook failed (the default rule was used).';
COMMENT ON COLUMN long_task.worker_event.worker_id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_event.epoch IS 'The epoch that began, or that ended.';
COMMENT ON COLUMN long_task.worker_event.node_name IS 'The node that took it, or that had it.';
COMMENT ON COLUMN long_task.worker_event.task_count IS 'Attempts that were lost with the node.';
COMMENT ON COLUMN long_task.worker_event.detail IS 'One line for people.';
