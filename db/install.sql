-- The whole schema of pg_tasks, for a database that has none: psql -1 -f install.sql
--
-- Made from changelog.xml by Liquibase's update-sql (make install-sql); do not edit. The rows of
-- databasechangelog are Liquibase's own, so that `pg-tasks migrate` goes on from here.

CREATE SCHEMA long_task;

CREATE TABLE long_task.databasechangeloglock (ID INTEGER NOT NULL, LOCKED BOOLEAN NOT NULL, LOCKGRANTED TIMESTAMP WITHOUT TIME ZONE, LOCKEDBY VARCHAR(255), CONSTRAINT databasechangeloglock_pkey PRIMARY KEY (ID));

INSERT INTO long_task.databasechangeloglock (ID, LOCKED) VALUES (1, FALSE);

CREATE TABLE long_task.databasechangelog (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, DATEEXECUTED TIMESTAMP WITHOUT TIME ZONE NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10));

-- Changeset changelog.xml::changes/0001_schema::pg_tasks

-- The schema and its one sequence.
--
-- What tasks write is text of any language. A database that cannot hold it would refuse a report, and with
-- it all that is reported in the same call.
DO $$
BEGIN
  IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = pg_catalog.format('database %I has encoding %s, and pg_tasks needs UTF8',
        pg_catalog.current_database(), pg_catalog.current_setting('server_encoding')),
      HINT = 'Make one with CREATE DATABASE name ENCODING ''UTF8'' TEMPLATE template0.';
  END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS long_task;

COMMENT ON SCHEMA long_task IS
  'pg_tasks: a row of long_task.task asks for a command to be run to its end. docs/sql.md is the manual.';

-- A number taken at each entry into AW: the order of the queue within a priority. Neither id nor
-- created will do, because a row may be queued long after it was written, and more than once.
CREATE SEQUENCE long_task.ready_seq AS bigint;

COMMENT ON SEQUENCE long_task.ready_seq IS
  'Place in the queue: taken each time a task becomes ready.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0001_schema', 'pg_tasks', 'changelog.xml', NOW(), 1, '9:2b689e1511e1572bb41b0f4644ab7219', 'sqlFile path=changes/0001_schema.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/clock::pg_tasks

-- clock: the one source of the present time in this schema.
--
-- Called by  every procedure and default that needs the time. A test database replaces it, so that
--            time is set and not waited for.
-- Locks      nothing
-- Raises     nothing
--
-- The time of the wall, not of the transaction: a lease is judged by the moment, however long the
-- judging transaction had to wait. STABLE all the same: nothing here minds whether one statement reads
-- the clock once or more often, and only a stable function lets WHERE finished > clock() use an index.
CREATE OR REPLACE FUNCTION long_task.clock()
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN clock_timestamp();
END
$$;

COMMENT ON FUNCTION long_task.clock() IS
  'The present time. Everything in schema long_task reads the time here and nowhere else.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/clock', 'pg_tasks', 'changelog.xml', NOW(), 2, '9:a3faa4ec71ea9d4f1aacfafc91fa4e80', 'sqlFile path=procedures/clock.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0002_task_state::pg_tasks

-- The states a task can be in, for people to read and for tools to join.
--
-- task.state_id does not reference this table by a foreign key: each check would lock a row of it,
-- and ten rows locked by every write of every session are a queue. A named CHECK does the same work.

CREATE TABLE long_task.task_state (
  id          text    NOT NULL,
  name        text    NOT NULL,
  set_by      text    NOT NULL,
  description text    NOT NULL,
  CONSTRAINT task_state_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE long_task.task_state IS
  'The states of a task. LIKE ''A%'' asks for the active ones, LIKE ''C%'' for the ended ones.';
COMMENT ON COLUMN long_task.task_state.id IS 'What task.state_id holds.';
COMMENT ON COLUMN long_task.task_state.name IS 'One word for people.';
COMMENT ON COLUMN long_task.task_state.set_by IS 'Who brings a task into this state.';
COMMENT ON COLUMN long_task.task_state.description IS 'What the state means.';

INSERT INTO long_task.task_state (id, name, set_by, description)
VALUES
  ('DR', 'draft',      'person',                    'being prepared, never started'),
  ('AW', 'waiting',    'person, schedule, system',  'ready: will be started as soon as a slot is free'),
  ('AD', 'delayed',    'system',                    'waits for a time: start_after, or the delay of a retry'),
  ('AB', 'blocked',    'system',                    'waits for another task'),
  ('AE', 'executing',  'node',                      'a process is running'),
  ('AS', 'stopping',   'person',                    'executing, asked by SIGTERM to end by itself'),
  ('AC', 'cancelling', 'person',                    'executing, being killed with everything it started'),
  ('CS', 'completed',  'node, or the task itself',  'ended well'),
  ('CF', 'failed',     'node, or the task itself',  'ended badly; error says how'),
  ('CC', 'cancelled',  'system',                    'cancelled');

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0002_task_state', 'pg_tasks', 'changelog.xml', NOW(), 3, '9:84bb741f2fae391b6072cd31a9a5f30a', 'sqlFile path=changes/0002_task_state.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0003_task::pg_tasks

-- long_task.task: what people write and watch. One row asks for one command to be run to its end.
--
-- The path of a row: a person inserts it as DR or AW; a node claims it (AE), which sets attempt and
-- running_on; the node reports the end, which clears running_on. running_on is the one fact about
-- processes: while it is set a process of this row may be alive, and nobody starts another, whatever
-- state_id says. The partial indexes hold only the rows that the question is about, so that
-- drafts, history and rows that wait for something else cost the queue nothing.
--
-- There are few CHECKs: each is read and compiled anew by every statement that writes the table, a
-- hundredth of the cost of a task apiece. What people write is checked by check_task, at their
-- statements only; what procedures write, by the tests.

CREATE TABLE long_task.task (
  id                bigint      GENERATED ALWAYS AS IDENTITY,
  name              text,
  state_id          text        NOT NULL DEFAULT 'DR',
  priority          integer     NOT NULL DEFAULT 0,
  group_id          integer     NOT NULL DEFAULT 0,
  worker_id         integer,
  command           text[],
  params            jsonb,
  env               jsonb,
  stdin             text,
  cwd               text,
  start_after       timestamptz,
  timeout           interval,
  kill_grace        interval,
  max_attempts      integer     NOT NULL DEFAULT 1,
  retry_delay       interval    NOT NULL DEFAULT interval '10 seconds',
  attempt           integer     NOT NULL DEFAULT 0,
  progress          real,
  result            jsonb,
  error             text,
  exit_code         smallint,
  signal            smallint,
  output            text,
  owner             text        NOT NULL DEFAULT session_user,
  created           timestamptz NOT NULL DEFAULT long_task.clock(),
  last_state_change timestamptz NOT NULL DEFAULT long_task.clock(),
  started           timestamptz,
  finished          timestamptz,
  next_start        timestamptz,
  shed_period_id    text,
  shed_period_count integer,
  shed_clone        boolean     NOT NULL DEFAULT false,
  shed_parent_id    bigint,
  shed_enabled      boolean     NOT NULL DEFAULT true,
  shed_anchor       timestamptz,
  cron              text,
  time_zone         text,
  concurrency_key   text,
  queued_by         text        NOT NULL DEFAULT 'person',
  base_attempt      integer     NOT NULL DEFAULT 0,
  pinned            boolean     NOT NULL DEFAULT false,
  running_on        integer,
  ready_seq         bigint      NOT NULL DEFAULT nextval('long_task.ready_seq'),
  CONSTRAINT task_pkey PRIMARY KEY (id),
  CONSTRAINT task_state_is_known CHECK (
    state_id IN ('DR', 'AW', 'AD', 'AB', 'AE', 'AS', 'AC', 'CS', 'CF', 'CC')
  ),
  CONSTRAINT task_executing_has_a_worker CHECK (
    state_id NOT IN ('AE', 'AS', 'AC') OR running_on IS NOT NULL
  )
) WITH (fillfactor = 80);

-- The queue of a group, the queue of a worker, what waits for a time, what is due by schedule.
CREATE INDEX task_ready
  ON long_task.task (group_id, priority, ready_seq)
  WHERE state_id = 'AW' AND running_on IS NULL AND worker_id IS NULL;
CREATE INDEX task_ready_pinned
  ON long_task.task (worker_id, priority, ready_seq)
  WHERE state_id = 'AW' AND running_on IS NULL AND worker_id IS NOT NULL;
CREATE INDEX task_delayed
  ON long_task.task (group_id, start_after)
  WHERE state_id = 'AD' AND running_on IS NULL AND worker_id IS NULL;
CREATE INDEX task_delayed_pinned
  ON long_task.task (worker_id, start_after)
  WHERE state_id = 'AD' AND running_on IS NULL AND worker_id IS NOT NULL;
CREATE INDEX task_scheduled
  ON long_task.task (next_start)
  WHERE next_start IS NOT NULL AND shed_enabled;
-- What failed, for people.
CREATE INDEX task_failed
  ON long_task.task (finished)
  WHERE state_id = 'CF';
-- The processes of a worker, and those of them about which its node has to do something.
CREATE INDEX task_running
  ON long_task.task (running_on)
  WHERE running_on IS NOT NULL;
CREATE INDEX task_attention
  ON long_task.task (running_on, id)
  WHERE running_on IS NOT NULL AND state_id <> 'AE';

COMMENT ON TABLE long_task.task IS
  'A row asks for a command to be run to its end. INSERT with state_id ''AW'' to queue it, UPDATE state_id to ''AC'' to cancel it.';
COMMENT ON COLUMN long_task.task.id IS 'Name of the task in every other place.';
COMMENT ON COLUMN long_task.task.name IS 'For people; nothing depends on it.';
COMMENT ON COLUMN long_task.task.state_id IS 'See long_task.task_state. People write DR, AW, AS, AC; the task itself may write CS or CF while it runs.';
COMMENT ON COLUMN long_task.task.priority IS 'Smaller is sooner; among equals the one that became ready first.';
COMMENT ON COLUMN long_task.task.group_id IS 'The workers of this group run it. Any number; nothing has to be registered.';
COMMENT ON COLUMN long_task.task.worker_id IS 'While it waits: only this worker may run it; null: any of the group. Afterwards: the worker that ran it.';
COMMENT ON COLUMN long_task.task.command IS 'Program and arguments; no shell. An element %TASK becomes the task''s id.';
COMMENT ON COLUMN long_task.task.params IS 'Reaches the process as JSON in PG_TASKS_PARAMS.';
COMMENT ON COLUMN long_task.task.env IS 'Object of strings, added to the environment of the process.';
COMMENT ON COLUMN long_task.task.stdin IS 'What the process reads on its standard input; null: nothing.';
COMMENT ON COLUMN long_task.task.cwd IS 'Working directory; a relative one is taken from the root the node was configured with.';
COMMENT ON COLUMN long_task.task.start_after IS 'Not to be started before this time.';
COMMENT ON COLUMN long_task.task.timeout IS 'An attempt that runs longer is killed and counts as failed; null: no limit.';
COMMENT ON COLUMN long_task.task.kill_grace IS 'From SIGTERM to SIGKILL; null: the node''s setting (10 seconds unless configured).';
COMMENT ON COLUMN long_task.task.max_attempts IS 'Failed attempts are repeated until there were this many since the task was queued.';
COMMENT ON COLUMN long_task.task.retry_delay IS 'Wait before the second attempt; doubled for each further one, to at most a day.';
COMMENT ON COLUMN long_task.task.attempt IS 'Number of the latest attempt over the life of the row. Only grows: a fencing token.';
COMMENT ON COLUMN long_task.task.progress IS 'From 0 to 1, written by the task itself.';
COMMENT ON COLUMN long_task.task.result IS 'JSON that the process wrote to the file named in PG_TASKS_RESULT.';
COMMENT ON COLUMN long_task.task.error IS 'Why the latest attempt ended badly.';
COMMENT ON COLUMN long_task.task.exit_code IS 'Exit code of the latest attempt, 0 to 255; null if a signal ended it or it never started.';
COMMENT ON COLUMN long_task.task.signal IS 'Signal that ended the latest attempt; null if it exited.';
COMMENT ON COLUMN long_task.task.output IS 'End of what the latest attempt wrote to stdout and stderr.';
COMMENT ON COLUMN long_task.task.owner IS 'Database user that inserted the row.';
COMMENT ON COLUMN long_task.task.created IS 'When the row was inserted.';
COMMENT ON COLUMN long_task.task.last_state_change IS 'When state_id got its present value.';
COMMENT ON COLUMN long_task.task.started IS 'When the latest attempt was claimed.';
COMMENT ON COLUMN long_task.task.finished IS 'When the latest attempt ended.';
COMMENT ON COLUMN long_task.task.next_start IS 'Schedule: the task is queued at this time if it has ended by then.';
COMMENT ON COLUMN long_task.task.shed_period_id IS 'Schedule: unit of the interval, SEC MIN HOU DAY WEE MON; null: next_start is the only start.';
COMMENT ON COLUMN long_task.task.shed_period_count IS 'Schedule: number of units from one start to the next; null counts as 1.';
COMMENT ON COLUMN long_task.task.shed_clone IS 'Schedule: each start is a row of its own, this row is their template.';
COMMENT ON COLUMN long_task.task.shed_parent_id IS 'Schedule: the template this row was cloned from.';
COMMENT ON COLUMN long_task.task.shed_enabled IS 'Schedule: false pauses it.';
COMMENT ON COLUMN long_task.task.shed_anchor IS 'Schedule: the next_start that was last written by hand; intervals are counted from it. System.';
COMMENT ON COLUMN long_task.task.cron IS 'Reserved for schedules by cron line; refused until the schema can evaluate it.';
COMMENT ON COLUMN long_task.task.time_zone IS 'Schedule: days, weeks and months keep the wall clock of this zone; null: UTC.';
COMMENT ON COLUMN long_task.task.concurrency_key IS 'Reserved for limits by key; refused until the schema can enforce it.';
COMMENT ON COLUMN long_task.task.queued_by IS 'What queued it last: person, schedule, dependency or retry. System.';
COMMENT ON COLUMN long_task.task.base_attempt IS 'Value of attempt when the task was last queued: retries are counted from here. System.';
COMMENT ON COLUMN long_task.task.pinned IS 'Whether worker_id was given by a person, and not by the claim of the latest attempt. System.';
COMMENT ON COLUMN long_task.task.running_on IS 'Worker that may have a live process of this row; null: there is none. System.';
COMMENT ON COLUMN long_task.task.ready_seq IS 'Place in the queue among tasks of the same priority. System.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0003_task', 'pg_tasks', 'changelog.xml', NOW(), 4, '9:a66ca7579c64cd3d3e08812eb759d0e5', 'sqlFile path=changes/0003_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0004_task_run::pg_tasks

-- long_task.task_run: what each attempt did. Append-only; nothing on the way of a task reads it.

CREATE TABLE long_task.task_run (
  task_id        bigint      NOT NULL,
  attempt        integer     NOT NULL,
  group_id       integer     NOT NULL,
  worker_id      integer     NOT NULL,
  node_name      text,
  pid            integer,
  started        timestamptz NOT NULL,
  finished       timestamptz NOT NULL,
  state_id       text        NOT NULL,
  exit_code      smallint,
  signal         smallint,
  error          text,
  output         text,
  user_seconds   real,
  system_seconds real,
  peak_memory    bigint,
  started_by     text        NOT NULL,
  CONSTRAINT task_run_pkey PRIMARY KEY (task_id, attempt)
);

-- By time, for rates and for dropping what is old. Rows arrive in the order of finished, which is
-- all that BRIN needs; it costs a fraction of a tree on the way in.
CREATE INDEX task_run_finished
  ON long_task.task_run
  USING brin (finished)
  WITH (pages_per_range = 32, autosummarize = on);

COMMENT ON TABLE long_task.task_run IS
  'One row for each attempt that ended or was lost. Stays when its task is deleted.';
COMMENT ON COLUMN long_task.task_run.task_id IS 'The task; it may have been deleted since.';
COMMENT ON COLUMN long_task.task_run.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN long_task.task_run.group_id IS 'Group the task was in.';
COMMENT ON COLUMN long_task.task_run.worker_id IS 'The worker that ran it.';
COMMENT ON COLUMN long_task.task_run.node_name IS 'The node that held the worker then.';
COMMENT ON COLUMN long_task.task_run.pid IS 'Process id on that machine; null: it could not be started, or was lost.';
COMMENT ON COLUMN long_task.task_run.started IS 'When the process was started.';
COMMENT ON COLUMN long_task.task_run.finished IS 'When the process ended, also if the database was away then.';
COMMENT ON COLUMN long_task.task_run.state_id IS 'How the attempt ended: CS, CF or CC. A task whose attempt failed may still be retried.';
COMMENT ON COLUMN long_task.task_run.exit_code IS 'Exit code, 0 to 255; null if a signal ended it or it never started.';
COMMENT ON COLUMN long_task.task_run.signal IS 'Signal that ended it; null if it exited.';
COMMENT ON COLUMN long_task.task_run.error IS 'Why it ended badly.';
COMMENT ON COLUMN long_task.task_run.output IS 'End of what it wrote to stdout and stderr.';
COMMENT ON COLUMN long_task.task_run.user_seconds IS 'CPU time in user mode, of the process and the children it waited for.';
COMMENT ON COLUMN long_task.task_run.system_seconds IS 'CPU time in the kernel, of the process and the children it waited for.';
COMMENT ON COLUMN long_task.task_run.peak_memory IS 'Bytes: largest resident set of the process or of a child it waited for.';
COMMENT ON COLUMN long_task.task_run.started_by IS 'What queued the task: person, schedule, dependency or retry.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0004_task_run', 'pg_tasks', 'changelog.xml', NOW(), 5, '9:947d9fee4b23a393352c4298d33062e8', 'sqlFile path=changes/0004_task_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0005_worker::pg_tasks

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

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0005_worker', 'pg_tasks', 'changelog.xml', NOW(), 6, '9:cc0bc91ac3ebff3daba8c8269268b42f', 'sqlFile path=changes/0005_worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/retry_delay_after::pg_tasks

-- retry_delay_after: how long to wait after a failed attempt.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.retry_delay_after(
  p_failures integer,
  p_delay    interval
)
RETURNS interval
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- In seconds, which have no fields that could overflow. 2^40 microseconds are twelve days: a power
  -- beyond that is above the cap whatever the delay.
  SELECT make_interval(secs => LEAST(
    s.delay * 2 ^ LEAST(p_failures - 1, 40),
    GREATEST(s.delay, 86400)
  ))
  FROM (
    -- Fields of different signs can make it negative, though it compares as positive.
    SELECT GREATEST(extract(epoch FROM p_delay), 0)::double precision AS delay
  ) AS s
$$;

COMMENT ON FUNCTION long_task.retry_delay_after(integer, interval) IS
  'Wait after the given number of failed attempts: the delay, doubled for each failure after the first, to at most a day.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/retry_delay_after', 'pg_tasks', 'changelog.xml', NOW(), 7, '9:4f2dcccf6c542a9f2365ad909b9ee177', 'sqlFile path=procedures/retry_delay_after.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/lease_over_at::pg_tasks

-- lease_over_at: when a lease that is not renewed any more counts as lost.
--
-- Called by  lock_worker, recover_failed_workers, recover_watched, recover_worker_tasks, change_worker
-- Locks      nothing
-- Raises     nothing
--
-- The recovery delay after its end: the holder and its guardian judge the end by their own clocks, and
-- have killed everything when the delay has passed.
CREATE OR REPLACE FUNCTION long_task.lease_over_at(p_lease long_task.worker_lease)
RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN p_lease.locked_until + p_lease.recovery_delay;

COMMENT ON FUNCTION long_task.lease_over_at(long_task.worker_lease) IS
  'When a lease that is not renewed any more counts as lost.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/lease_over_at', 'pg_tasks', 'changelog.xml', NOW(), 8, '9:0d6b9bc769531ad1f37056f572b29078', 'sqlFile path=procedures/lease_over_at.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/lease_state::pg_tasks

-- lease_state: a lease as it is now, in one word that is another one after each renewal.
--
-- Called by  lock_worker, recover_failed_workers, recover_watched
-- Locks      nothing
-- Raises     nothing
--
-- Nodes hand it back when they have waited for the end of this lease by their own clocks: a lease is
-- given to others only if it is over by the database's clock and by that of whoever asks. So a step of the
-- database's clock ends nobody's lease, and after an outage, in which nobody could renew, a node that has just
-- come back judges nobody before each has had a whole lease to come back too.
CREATE OR REPLACE FUNCTION long_task.lease_state(p_lease long_task.worker_lease)
RETURNS text
LANGUAGE sql
STABLE
RETURN p_lease.worker_id || '/' || p_lease.epoch || '/' || extract(epoch FROM p_lease.locked_until);

COMMENT ON FUNCTION long_task.lease_state(long_task.worker_lease) IS
  'A word for the present state of a lease; every renewal makes another one of it.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/lease_state', 'pg_tasks', 'changelog.xml', NOW(), 9, '9:395632565e3e20c389e684fe232f85f6', 'sqlFile path=procedures/lease_state.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/name_holder::pg_tasks

-- name_holder: who holds a lease, or held it last, in words.
--
-- Called by  lock_worker, recover_watched, recover_worker_tasks, change_worker
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.name_holder(p_lease long_task.worker_lease)
RETURNS text
LANGUAGE sql
STABLE
RETURN 'node ' || p_lease.node_name || ' (pid ' || p_lease.pid || ' on ' || p_lease.host || ')';

COMMENT ON FUNCTION long_task.name_holder(long_task.worker_lease) IS
  'Name, process and machine of the node that holds a lease, or held it last.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/name_holder', 'pg_tasks', 'changelog.xml', NOW(), 10, '9:5ad52b524d87643248a1c289b85e763f', 'sqlFile path=procedures/name_holder.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/refuse::pg_tasks

-- refuse: raise one of this schema's own errors.
--
-- Called by  procedures that refuse something; the codes are listed in docs/sql.md. Triggers raise by
--            themselves: what people see under an error is then one line of context, not the text of a
--            statement too.
-- Locks      nothing
-- Raises     p_code, always
CREATE OR REPLACE FUNCTION long_task.refuse(
  p_code    text,
  p_message text,
  p_hint    text,
  p_detail  text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_detail IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint;
  END IF;
  RAISE EXCEPTION USING ERRCODE = p_code, MESSAGE = p_message, HINT = p_hint, DETAIL = p_detail;
END
$$;

COMMENT ON FUNCTION long_task.refuse(text, text, text, text) IS
  'Raise an error with a code of class LT, a message, a hint and a detail.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/refuse', 'pg_tasks', 'changelog.xml', NOW(), 11, '9:c343e14acc00f06bd1d95cb674ff38ba', 'sqlFile path=procedures/refuse.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0006_recovery_rule::pg_tasks

-- retry_lost_task: a hook. Whether a task whose worker failed is run again, and after how long.
--
-- Called by  write_off_attempts, for each attempt that was lost while it was to go on; under the owner
--            of the schema.
-- Locks      nothing
-- Raises     nothing. If a rule of yours raises, the rule below is used and worker_event says so.
--
-- Yours to replace: CREATE OR REPLACE FUNCTION long_task.retry_lost_task(p_task long_task.task) ... . It is
-- created once and never again, so that an upgrade leaves your rule alone. p_task is the row as the lost
-- attempt left it: attempt is the number of that attempt, worker_id the worker that failed.
--
-- Returns the delay until the next attempt; null: the task ends CF 'Worker failed'.
CREATE FUNCTION long_task.retry_lost_task(p_task long_task.task)
RETURNS interval
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_task.attempt - p_task.base_attempt < p_task.max_attempts THEN
    RETURN long_task.retry_delay_after(p_task.attempt - p_task.base_attempt, p_task.retry_delay);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.retry_lost_task(long_task.task) IS
  'Hook, yours to replace: how long a task whose worker failed waits for its next attempt; null: it is not run again.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0006_recovery_rule', 'pg_tasks', 'changelog.xml', NOW(), 12, '9:cf0681e149f67866873b602460b19c18', 'sqlFile path=changes/0006_recovery_rule.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0007_schedule::pg_tasks

-- Schedules: what a task's own schedule may say beside the interval, and what its starts remember.
--
-- Everything is null unless a person says otherwise, so that a task without a schedule carries none of it.

CREATE TYPE long_task.cron_fields AS (
  minutes      bit(60),
  hours        bit(24),
  days         bit(31),
  months       bit(12),
  weekdays     bit(7),
  last_day     boolean,
  last_workday boolean,
  near_days    integer[],
  nth_weekdays integer[],
  either_day   boolean,
  every_hour   boolean
);
COMMENT ON TYPE long_task.cron_fields IS
  'A cron line, parsed. One bit for each minute, hour, day, month and weekday from Sunday; near_days are days with W; nth_weekdays are ten times the weekday plus n, n is 0 for the last; either_day: one of the two day fields is enough; every_hour: it follows elapsed time.';

CREATE TYPE long_task.schedule AS (
  task_id           bigint,
  state_id          text,
  next_start        timestamptz,
  shed_period_id    text,
  shed_period_count integer,
  shed_anchor       timestamptz,
  shed_clone        boolean,
  shed_waiting      boolean,
  cron              text,
  cron_fields       long_task.cron_fields,
  time_zone         text,
  missed            text,
  missed_after      interval,
  overlap           text,
  until             timestamptz,
  copy_bytes        bigint
);
COMMENT ON TYPE long_task.schedule IS
  'The schedule of a task, without what its program is given: that may be long, and is copied with each call that takes a whole row.';

ALTER TABLE long_task.task
  ADD COLUMN missed        text,
  ADD COLUMN missed_after  interval,
  ADD COLUMN overlap       text,
  ADD COLUMN jitter        interval,
  ADD COLUMN until         timestamptz,
  ADD COLUMN cron_fields   long_task.cron_fields,
  ADD COLUMN shed_waiting  boolean,
  ADD COLUMN shed_error    text,
  ADD COLUMN scheduled_for timestamptz,
  ADD COLUMN run_queued_by text,
  ADD COLUMN run_scheduled_for timestamptz;
ALTER TABLE long_task.task_run
  ADD COLUMN scheduled_for timestamptz;
ALTER TABLE long_task.deleted_attempt
  ADD COLUMN scheduled_for timestamptz;

-- What can be fired when its time has come. A start that waits for the task to end comes in with that end.
DROP INDEX long_task.task_scheduled;
CREATE INDEX task_scheduled
  ON long_task.task (next_start)
  WHERE next_start IS NOT NULL
    AND shed_enabled
    AND (shed_waiting IS NULL OR state_id IN ('CS', 'CF', 'CC'));
-- The copies of a template that have not ended.
CREATE INDEX task_active_clones
  ON long_task.task (shed_parent_id)
  WHERE shed_parent_id IS NOT NULL
    AND state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC');

-- What it returns has changed.
DROP FUNCTION IF EXISTS long_task.fire_schedules(integer);

COMMENT ON COLUMN long_task.task.missed IS 'Schedule: what becomes of starts that were missed: run once (null), run each, skip.';
COMMENT ON COLUMN long_task.task.missed_after IS 'Schedule: a start that is later than this is given up; null: with skip a minute, else never.';
COMMENT ON COLUMN long_task.task.overlap IS 'Schedule: a start at which the task is still active: skip (null), clone, queue one.';
COMMENT ON COLUMN long_task.task.jitter IS 'Schedule: each start is delayed by a random time of up to so much.';
COMMENT ON COLUMN long_task.task.until IS 'Schedule: no start after this time.';
COMMENT ON COLUMN long_task.task.cron IS 'Schedule: minute, hour, day of month, month, day of week, or @hourly to @yearly; instead of a period.';
COMMENT ON COLUMN long_task.task.cron_fields IS 'Schedule: the cron line, parsed. System.';
COMMENT ON COLUMN long_task.task.time_zone IS 'Schedule: cron lines, days, weeks and months keep the wall clock of this zone; null: UTC.';
COMMENT ON COLUMN long_task.task.next_start IS 'Schedule: the task is queued at this time if it has ended by then. By cron it is found by the system.';
COMMENT ON COLUMN long_task.task.shed_period_id IS 'Schedule: unit of the interval, SEC MIN HOU DAY WEE MON; null: next_start is the only start, or cron says more.';
COMMENT ON COLUMN long_task.task.shed_waiting IS 'Schedule: true if next_start has come and waits for the task to end. System.';
COMMENT ON COLUMN long_task.task.shed_error IS 'Schedule: why the system has paused it. System.';
COMMENT ON COLUMN long_task.task.scheduled_for IS 'Time of the schedule for which it was queued last; null: it was not queued by a schedule. System.';
COMMENT ON COLUMN long_task.task.run_queued_by IS 'queued_by of the attempt whose process still runs, if the task is queued again already. System.';
COMMENT ON COLUMN long_task.task.run_scheduled_for IS 'scheduled_for of that attempt. System.';
COMMENT ON COLUMN long_task.task_run.scheduled_for IS 'Time of the schedule for which the task was queued; null: it was not queued by a schedule.';
COMMENT ON COLUMN long_task.deleted_attempt.scheduled_for IS 'As in task.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0007_schedule', 'pg_tasks', 'changelog.xml', NOW(), 13, '9:2e6908d649163805f5214ae324c786b7', 'sqlFile path=changes/0007_schedule.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0008_dependency::pg_tasks

-- Dependencies: tasks that wait for tasks.
--
-- met is what is known of the predecessor's present state. It is stored, and not asked of the predecessor each time,
-- so that a task that needs ten thousand others finds an open one, or that there is none, by one look into an index.

CREATE TABLE long_task.task_dependency (
  task_id       bigint   NOT NULL,
  needs_task_id bigint   NOT NULL,
  "on"          text     NOT NULL DEFAULT 'success',
  condition     jsonpath,
  enabled       boolean  NOT NULL DEFAULT true,
  pass          text,
  name          text,
  gather        boolean  NOT NULL DEFAULT false,
  met           boolean,
  run_id        bigint,
  CONSTRAINT task_dependency_pkey PRIMARY KEY (task_id, needs_task_id)
);

-- Who waits for a task; what a task still waits for; what is decided.
CREATE INDEX task_dependency_needs
  ON long_task.task_dependency (needs_task_id);
CREATE INDEX task_dependency_open
  ON long_task.task_dependency (task_id, needs_task_id)
  WHERE met IS NULL AND enabled;
CREATE INDEX task_dependency_decided
  ON long_task.task_dependency (task_id, met)
  WHERE met IS NOT NULL AND enabled;
-- Without dependencies on a task that came later there is no cycle. They are few: see refuse_cycle.
CREATE INDEX task_dependency_upward
  ON long_task.task_dependency (needs_task_id)
  WHERE task_id < needs_task_id;

-- Whether the process of a deleted task is gone.
CREATE INDEX deleted_attempt_task
  ON long_task.deleted_attempt (task_id);

-- Tasks whose end, or whose start, was not seen to by whoever should have: somebody held a row, or it was too much at
-- once. Each sync works some of them off.
CREATE TABLE long_task.unsettled_task (
  id      bigint  GENERATED ALWAYS AS IDENTITY,
  task_id bigint  NOT NULL,
  not_before timestamptz NOT NULL,
  refresh boolean NOT NULL,
  CONSTRAINT unsettled_task_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN needs          text,
  ADD COLUMN unmet          text,
  ADD COLUMN has_needs      boolean NOT NULL DEFAULT false,
  ADD COLUMN has_dependents boolean NOT NULL DEFAULT false;

COMMENT ON TABLE long_task.task_dependency IS
  'A row lets a task wait for the end of another. Any task that waits may be given one, until it is started.';
COMMENT ON COLUMN long_task.task_dependency.task_id IS 'The task that waits.';
COMMENT ON COLUMN long_task.task_dependency.needs_task_id IS 'The task whose end it waits for.';
COMMENT ON COLUMN long_task.task_dependency."on" IS 'Which end is needed: success, failure, cancel, or end, which is any of them.';
COMMENT ON COLUMN long_task.task_dependency.condition IS 'Predicate over the result, such as $.rows > 0, that has to hold too.';
COMMENT ON COLUMN long_task.task_dependency.enabled IS 'False: as if the row were not there.';
COMMENT ON COLUMN long_task.task_dependency.pass IS 'How the result, or without one the output, reaches the task: params, env, stdin; null: not by itself.';
COMMENT ON COLUMN long_task.task_dependency.name IS 'Under what name it is passed; null: the name of the task that is needed, or its id.';
COMMENT ON COLUMN long_task.task_dependency.gather IS 'Several results that are passed under one name are an array; true: one alone, too.';
COMMENT ON COLUMN long_task.task_dependency.met IS 'Whether that end has come; null: it is still open. System.';
COMMENT ON COLUMN long_task.task_dependency.run_id IS 'Run of the workflow that it was made for; null: written by a person. System.';
COMMENT ON TABLE long_task.unsettled_task IS
  'Tasks to be looked at once more, with those that wait for them. System.';
COMMENT ON COLUMN long_task.unsettled_task.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_task.task_id IS 'The task.';
COMMENT ON COLUMN long_task.unsettled_task.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.unsettled_task.refresh IS 'Whether what is known of its needs may be out of date.';
COMMENT ON COLUMN long_task.task.needs IS 'Whether all of what it needs must have come (null) or any one is enough: all, any.';
COMMENT ON COLUMN long_task.task.unmet IS 'When what it needs can no longer come: cancel it (null), start it anyway, let it wait: cancel, start, wait.';
COMMENT ON COLUMN long_task.task.has_needs IS 'Whether it has rows in task_dependency. System.';
COMMENT ON COLUMN long_task.task.has_dependents IS 'Whether others have rows there that name it. System.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0008_dependency', 'pg_tasks', 'changelog.xml', NOW(), 14, '9:c4524629d3ff63588d0bf9945404dd17', 'sqlFile path=changes/0008_dependency.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0009_concurrency::pg_tasks

-- Limits of concurrency: how many tasks with a key, or of a group, run at once.
--
-- What counts is running_on and nothing else: a limit cannot leak, whatever dies. A task whose key has no room is
-- put aside (wants_key) by the claim that finds it, so that no later claim has to pass it by, and comes back to the
-- queue when there is room.

CREATE TABLE long_task.concurrency_limit (
  concurrency_key text    NOT NULL,
  max_running     integer NOT NULL,
  CONSTRAINT concurrency_limit_pkey PRIMARY KEY (concurrency_key),
  CONSTRAINT concurrency_limit_is_a_number CHECK (max_running >= 0)
);
CREATE TABLE long_task.group_limit (
  group_id    integer NOT NULL,
  max_running integer NOT NULL,
  CONSTRAINT group_limit_pkey PRIMARY KEY (group_id),
  CONSTRAINT group_limit_is_a_number CHECK (max_running >= 0)
);

-- Keys whose waiting tasks were not seen to: somebody held a row, or another node was about to.
CREATE TABLE long_task.unsettled_key (
  id              bigint  GENERATED ALWAYS AS IDENTITY,
  concurrency_key text    NOT NULL,
  not_before timestamptz NOT NULL,
  CONSTRAINT unsettled_key_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN wants_key boolean NOT NULL DEFAULT false;
ALTER TABLE long_task.deleted_attempt
  ADD COLUMN concurrency_key text;

-- Who has a key; who waits for it, by those who may run it.
CREATE INDEX task_key_held
  ON long_task.task (concurrency_key)
  WHERE concurrency_key IS NOT NULL AND running_on IS NOT NULL;
CREATE INDEX task_key_wanted
  ON long_task.task (concurrency_key, group_id, priority, ready_seq)
  WHERE wants_key AND worker_id IS NULL;
CREATE INDEX task_key_wanted_pinned
  ON long_task.task (concurrency_key, worker_id, priority, ready_seq)
  WHERE wants_key AND worker_id IS NOT NULL;

COMMENT ON TABLE long_task.concurrency_limit IS
  'How many tasks with a concurrency_key run at once. A key without a row here: one.';
COMMENT ON COLUMN long_task.concurrency_limit.concurrency_key IS 'Any text.';
COMMENT ON COLUMN long_task.concurrency_limit.max_running IS 'At most so many; 0: none.';
COMMENT ON TABLE long_task.group_limit IS
  'How many tasks of a group run at once, on all its workers. A group without a row here: as many as there are slots.';
COMMENT ON COLUMN long_task.group_limit.group_id IS 'The group.';
COMMENT ON COLUMN long_task.group_limit.max_running IS 'At most so many; 0: none.';
COMMENT ON TABLE long_task.unsettled_key IS
  'Keys whose waiting tasks are to be looked at once more. System.';
COMMENT ON COLUMN long_task.unsettled_key.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_key.concurrency_key IS 'The key.';
COMMENT ON COLUMN long_task.unsettled_key.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.task.concurrency_key IS 'At most so many tasks with this key run at once as concurrency_limit says, or one; null: no limit.';
COMMENT ON COLUMN long_task.task.wants_key IS 'Whether it waits for others with its concurrency_key to end. System.';
COMMENT ON COLUMN long_task.deleted_attempt.concurrency_key IS 'The key that it has until its process is gone.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0009_concurrency', 'pg_tasks', 'changelog.xml', NOW(), 15, '9:e461d7ae200abc17579118d75e225c58', 'sqlFile path=changes/0009_concurrency.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0010_workflow::pg_tasks

-- Workflows: graphs of tasks that are defined once and started many times.
--
-- A definition is rows; a version of it that has been started is not changed any more, so that a run's definition can
-- always be looked up. A run is tasks and dependencies like any others, copied from the definition.

CREATE TABLE long_task.workflow (
  name          text        NOT NULL,
  version       integer     NOT NULL,
  description   text,
  enabled       boolean     NOT NULL DEFAULT true,
  one_at_a_time boolean     NOT NULL DEFAULT false,
  max_running   integer,
  owner         text        NOT NULL DEFAULT session_user,
  created       timestamptz NOT NULL DEFAULT long_task.clock(),
  CONSTRAINT workflow_pkey PRIMARY KEY (name, version),
  CONSTRAINT workflow_has_a_name CHECK (octet_length(name) BETWEEN 1 AND 500),
  CONSTRAINT workflow_limit_is_a_number CHECK (max_running >= 0)
);

CREATE TABLE long_task.workflow_step (
  workflow        text     NOT NULL,
  version         integer  NOT NULL,
  name            text     NOT NULL,
  command         text[]   NOT NULL,
  params          jsonb,
  env             jsonb,
  stdin           text,
  cwd             text,
  group_id        integer  NOT NULL DEFAULT 0,
  worker_id       integer,
  priority        integer  NOT NULL DEFAULT 0,
  timeout         interval,
  kill_grace      interval,
  max_attempts    integer  NOT NULL DEFAULT 1,
  retry_delay     interval NOT NULL DEFAULT interval '10 seconds',
  concurrency_key text,
  needs           text,
  unmet           text,
  fan_out         jsonpath,
  CONSTRAINT workflow_step_pkey PRIMARY KEY (workflow, version, name),
  CONSTRAINT workflow_step_of_workflow FOREIGN KEY (workflow, version)
    REFERENCES long_task.workflow (name, version) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT workflow_step_has_a_name CHECK (octet_length(name) BETWEEN 1 AND 500),
  CONSTRAINT workflow_step_params_are_an_object CHECK (jsonb_typeof(params) = 'object')
);

CREATE TABLE long_task.workflow_edge (
  workflow   text     NOT NULL,
  version    integer  NOT NULL,
  step       text     NOT NULL,
  needs_step text     NOT NULL,
  "on"       text     NOT NULL DEFAULT 'success',
  condition  jsonpath,
  enabled    boolean  NOT NULL DEFAULT true,
  pass       text,
  each       boolean  NOT NULL DEFAULT false,
  CONSTRAINT workflow_edge_pkey PRIMARY KEY (workflow, version, step, needs_step),
  CONSTRAINT workflow_edge_of_step FOREIGN KEY (workflow, version, step)
    REFERENCES long_task.workflow_step (workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT workflow_edge_of_needed_step FOREIGN KEY (workflow, version, needs_step)
    REFERENCES long_task.workflow_step (workflow, version, name) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX workflow_edge_needs
  ON long_task.workflow_edge (workflow, version, needs_step);

CREATE TABLE long_task.workflow_run (
  id            bigint      GENERATED ALWAYS AS IDENTITY,
  workflow      text        NOT NULL,
  version       integer     NOT NULL,
  params        jsonb       NOT NULL DEFAULT '{}',
  created       timestamptz NOT NULL DEFAULT long_task.clock(),
  started       timestamptz,
  cancelled     timestamptz,
  error         text,
  started_by    text        NOT NULL DEFAULT 'person',
  scheduled_for timestamptz,
  task_id       bigint,
  owner         text        NOT NULL DEFAULT session_user,
  CONSTRAINT workflow_run_pkey PRIMARY KEY (id),
  CONSTRAINT workflow_run_of_workflow FOREIGN KEY (workflow, version)
    REFERENCES long_task.workflow (name, version) ON UPDATE CASCADE
);
CREATE INDEX workflow_run_of_workflow
  ON long_task.workflow_run (workflow, version, id);
CREATE INDEX workflow_run_waiting
  ON long_task.workflow_run (workflow, id)
  WHERE started IS NULL AND cancelled IS NULL;

-- Workflows of which a run has ended while another waits for that.
CREATE TABLE long_task.unsettled_workflow (
  id       bigint  GENERATED ALWAYS AS IDENTITY,
  workflow text    NOT NULL,
  not_before timestamptz NOT NULL,
  CONSTRAINT unsettled_workflow_pkey PRIMARY KEY (id)
);

ALTER TABLE long_task.task
  ADD COLUMN workflow text,
  ADD COLUMN run_id   bigint,
  ADD COLUMN step     text,
  ADD COLUMN item     integer;
CREATE INDEX task_of_run
  ON long_task.task (run_id, step, item)
  WHERE run_id IS NOT NULL;
CREATE INDEX task_active_in_run
  ON long_task.task (run_id)
  WHERE run_id IS NOT NULL
    AND (state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR running_on IS NOT NULL);

COMMENT ON TABLE long_task.workflow IS
  'A graph of steps that start_workflow copies into tasks. The latest enabled version is started.';
COMMENT ON COLUMN long_task.workflow.name IS 'Its name, the same for all versions.';
COMMENT ON COLUMN long_task.workflow.version IS 'From 1. One that has been started is not changed any more: new_workflow_version copies it.';
COMMENT ON COLUMN long_task.workflow.description IS 'For people.';
COMMENT ON COLUMN long_task.workflow.enabled IS 'False: this version is not started unless it is asked for by number.';
COMMENT ON COLUMN long_task.workflow.one_at_a_time IS 'Whether a run waits for the end of the run before it.';
COMMENT ON COLUMN long_task.workflow.max_running IS 'At most so many tasks of all runs of the workflow run at once; null: no limit.';
COMMENT ON COLUMN long_task.workflow.owner IS 'Database user that inserted the row.';
COMMENT ON COLUMN long_task.workflow.created IS 'When the row was inserted.';
COMMENT ON TABLE long_task.workflow_step IS
  'A step: one task of each run, or one for each item if it is fanned out. The columns are those of task.';
COMMENT ON COLUMN long_task.workflow_step.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.workflow_step.version IS 'Its version; left out of an INSERT: the latest.';
COMMENT ON COLUMN long_task.workflow_step.name IS 'Name of the step, and of its tasks.';
COMMENT ON COLUMN long_task.workflow_step.command IS 'Program and arguments. %PARAM:name% becomes a parameter of the run, %PARAM:item% the item, %RESULT:step.path% a result.';
COMMENT ON COLUMN long_task.workflow_step.params IS 'An object; what the run is given is added to it, and comes before it.';
COMMENT ON COLUMN long_task.workflow_step.env IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.stdin IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.cwd IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.group_id IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.worker_id IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.priority IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.timeout IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.kill_grace IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.max_attempts IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.retry_delay IS 'As in task.';
COMMENT ON COLUMN long_task.workflow_step.concurrency_key IS 'As in task; excluded by max_running of the workflow.';
COMMENT ON COLUMN long_task.workflow_step.needs IS 'As in task: all (null), any.';
COMMENT ON COLUMN long_task.workflow_step.unmet IS 'As in task: cancel (null), start, wait.';
COMMENT ON COLUMN long_task.workflow_step.fan_out IS 'Path to an array in the parameters of the run: the step is one task for each of its items.';
COMMENT ON TABLE long_task.workflow_edge IS
  'A step that needs another. The columns are those of task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.workflow_edge.version IS 'Its version; left out of an INSERT: the latest.';
COMMENT ON COLUMN long_task.workflow_edge.step IS 'The step that waits.';
COMMENT ON COLUMN long_task.workflow_edge.needs_step IS 'The step that it waits for: all of its tasks, if it is fanned out.';
COMMENT ON COLUMN long_task.workflow_edge."on" IS 'As in task_dependency: success, failure, cancel, end.';
COMMENT ON COLUMN long_task.workflow_edge.condition IS 'As in task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.enabled IS 'As in task_dependency.';
COMMENT ON COLUMN long_task.workflow_edge.pass IS 'As in task_dependency; the results of a step that is fanned out are an array.';
COMMENT ON COLUMN long_task.workflow_edge.each IS 'Both steps are fanned out, and each item waits for the same item only.';
COMMENT ON TABLE long_task.workflow_run IS
  'A workflow that was started. Its tasks name it in run_id; workflow_status says how it stands.';
COMMENT ON COLUMN long_task.workflow_run.id IS 'The run.';
COMMENT ON COLUMN long_task.workflow_run.workflow IS 'What was started.';
COMMENT ON COLUMN long_task.workflow_run.version IS 'The version that was started.';
COMMENT ON COLUMN long_task.workflow_run.params IS 'What start_workflow was given.';
COMMENT ON COLUMN long_task.workflow_run.created IS 'When it was asked for.';
COMMENT ON COLUMN long_task.workflow_run.started IS 'When its tasks were made; null: it waits for the run before it.';
COMMENT ON COLUMN long_task.workflow_run.cancelled IS 'When cancel_workflow was called for it.';
COMMENT ON COLUMN long_task.workflow_run.error IS 'Why it could not be begun.';
COMMENT ON COLUMN long_task.workflow_run.started_by IS 'What started it: person or schedule.';
COMMENT ON COLUMN long_task.workflow_run.scheduled_for IS 'Time of the schedule for which it was started.';
COMMENT ON COLUMN long_task.workflow_run.task_id IS 'The task whose schedule started it.';
COMMENT ON COLUMN long_task.workflow_run.owner IS 'Database user that started it.';
COMMENT ON TABLE long_task.unsettled_workflow IS
  'Workflows of which a run may go on that waited for another. System.';
COMMENT ON COLUMN long_task.unsettled_workflow.id IS 'Order of arrival.';
COMMENT ON COLUMN long_task.unsettled_workflow.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.unsettled_workflow.not_before IS 'When to look: a little later, if somebody held a row that is needed.';
COMMENT ON COLUMN long_task.task.workflow IS 'What the starts of this template (shed_clone) start, instead of a copy of it.';
COMMENT ON COLUMN long_task.task.run_id IS 'Run of a workflow that it is a part of. System.';
COMMENT ON COLUMN long_task.task.step IS 'Its step in that workflow. System.';
COMMENT ON COLUMN long_task.task.item IS 'Its place in the array that the step is fanned out over, from 0. System.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0010_workflow', 'pg_tasks', 'changelog.xml', NOW(), 16, '9:533898b9143aa35acbaf3c6e8507c155', 'sqlFile path=changes/0010_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0011_retention::pg_tasks

-- Retention: how long ended tasks and history are kept, and history in partitions, so that what is old is dropped
-- and not deleted row by row.
--
-- The partitions go by a number and not by a time. A number is given when a partition is closed, so that there is always
-- one for a row, whatever the clocks say; none has to be made in advance, and none of the rest has to be looked through
-- or locked for the next one. task_run_part says which times a number stands for.

-- It may be long: the lock lasts for as long as it takes to read it once.
ALTER TABLE long_task.task_run RENAME TO task_run_0;
ALTER TABLE long_task.task_run_0 RENAME CONSTRAINT task_run_pkey TO task_run_0_pkey;
ALTER INDEX long_task.task_run_finished RENAME TO task_run_0_finished;
ALTER TABLE long_task.task_run_0 ADD COLUMN part integer NOT NULL DEFAULT 0;
ALTER TABLE long_task.task_run_0 ALTER COLUMN part DROP DEFAULT;
COMMENT ON COLUMN long_task.task_run_0.part IS 'The partition that it is in. System.';

CREATE TABLE long_task.task_run (LIKE long_task.task_run_0 INCLUDING COMMENTS)
PARTITION BY RANGE (part);

-- By time, for rates. Rows arrive in the order of finished, which is all that BRIN needs; it costs a fraction of a
-- tree on the way in. Each partition has a primary key (task_id, attempt) of its own.
CREATE INDEX task_run_finished
  ON long_task.task_run
  USING brin (finished)
  WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE long_task.task_run
  ATTACH PARTITION long_task.task_run_0 FOR VALUES FROM (0) TO (1);

COMMENT ON TABLE long_task.task_run IS
  'One row for each attempt that ended or was lost. Stays when its task is deleted, for as long as history_retention says.';
COMMENT ON TABLE long_task.task_run_0 IS
  'A partition of task_run.';

CREATE TABLE long_task.task_run_part (
  part  integer     NOT NULL,
  began timestamptz NOT NULL,
  ended timestamptz,
  CONSTRAINT task_run_part_pkey PRIMARY KEY (part)
);
INSERT INTO long_task.task_run_part (part, began)
SELECT 0, COALESCE(min(r.finished), long_task.clock())
FROM long_task.task_run AS r;

CREATE TABLE long_task.retention (
  group_id       integer,
  keep_succeeded interval,
  keep_failed    interval,
  keep_cancelled interval,
  archive        boolean NOT NULL DEFAULT false,
  CONSTRAINT retention_group UNIQUE NULLS NOT DISTINCT (group_id),
  CONSTRAINT retention_is_a_time CHECK (
    keep_succeeded BETWEEN interval '0' AND interval '1000 years'
    AND keep_failed BETWEEN interval '0' AND interval '1000 years'
    AND keep_cancelled BETWEEN interval '0' AND interval '1000 years'
  )
);
CREATE TABLE long_task.history_retention (
  only_row  boolean NOT NULL DEFAULT true,
  keep      interval,
  keep_rows bigint,
  CONSTRAINT history_retention_pkey PRIMARY KEY (only_row),
  CONSTRAINT history_retention_is_one_row CHECK (only_row),
  CONSTRAINT history_retention_is_a_time CHECK (keep BETWEEN interval '1 minute' AND interval '1000 years'),
  CONSTRAINT history_retention_is_a_number CHECK (keep_rows > 0)
);
CREATE TABLE long_task.task_archive (
  task_id  bigint      NOT NULL,
  archived timestamptz NOT NULL,
  task     jsonb       NOT NULL,
  CONSTRAINT task_archive_pkey PRIMARY KEY (task_id)
);

-- How far whoever tidies up has come.
CREATE TABLE long_task.maintenance (
  only_row boolean     NOT NULL DEFAULT true,
  next_at  timestamptz NOT NULL,
  turn     bigint      NOT NULL DEFAULT 1,
  phase    text        NOT NULL DEFAULT 'history',
  place    bigint      NOT NULL DEFAULT 0,
  stride   bigint      NOT NULL DEFAULT 1000,
  swept    timestamptz,
  error    text,
  CONSTRAINT maintenance_pkey PRIMARY KEY (only_row),
  CONSTRAINT maintenance_is_one_row CHECK (only_row),
  CONSTRAINT maintenance_phase_is_known CHECK (phase IN ('history', 'task', 'run'))
) WITH (fillfactor = 10);
INSERT INTO long_task.maintenance (next_at)
VALUES (long_task.clock() + interval '1 hour');
CREATE TABLE long_task.run_kept (
  run_id     bigint      NOT NULL,
  kept_until timestamptz NOT NULL,
  CONSTRAINT run_kept_pkey PRIMARY KEY (run_id)
);

COMMENT ON COLUMN long_task.task_run.part IS 'The partition that it is in. System.';
COMMENT ON TABLE long_task.task_run_part IS
  'The partitions of task_run. The last one takes what ends now. System.';
COMMENT ON COLUMN long_task.task_run_part.part IS 'Its number.';
COMMENT ON COLUMN long_task.task_run_part.began IS 'Since when rows were written to it.';
COMMENT ON COLUMN long_task.task_run_part.ended IS 'Until when; null: they are now.';
COMMENT ON TABLE long_task.retention IS
  'How long ended tasks are kept. Without a row that is for them, for ever.';
COMMENT ON COLUMN long_task.retention.group_id IS 'The tasks of this group; null: of every group without a row of its own.';
COMMENT ON COLUMN long_task.retention.keep_succeeded IS 'So long after they completed (CS); null: for ever.';
COMMENT ON COLUMN long_task.retention.keep_failed IS 'So long after they failed (CF); null: for ever.';
COMMENT ON COLUMN long_task.retention.keep_cancelled IS 'So long after they were cancelled (CC); null: for ever.';
COMMENT ON COLUMN long_task.retention.archive IS 'Whether they are moved to task_archive then, and not deleted for good.';
COMMENT ON TABLE long_task.history_retention IS
  'How long the history of attempts, task_run, is kept: one row; without it, for ever. It goes by whole partitions, of all groups.';
COMMENT ON COLUMN long_task.history_retention.only_row IS 'There is one row.';
COMMENT ON COLUMN long_task.history_retention.keep IS 'So long at least, up to a sixth longer; null: age does not matter.';
COMMENT ON COLUMN long_task.history_retention.keep_rows IS 'About so many rows at least, up to a sixth more; null: their number does not matter.';
COMMENT ON TABLE long_task.task_archive IS
  'Tasks that a policy of retention has moved here. Nothing reads it but people, who may delete what they like.';
COMMENT ON COLUMN long_task.task_archive.task_id IS 'The task.';
COMMENT ON COLUMN long_task.task_archive.archived IS 'When it was moved.';
COMMENT ON COLUMN long_task.task_archive.task IS 'Its row, without the columns that were null.';
COMMENT ON TABLE long_task.maintenance IS
  'How far the tidying up has come that retention asks for. System.';
COMMENT ON COLUMN long_task.maintenance.only_row IS 'There is one row.';
COMMENT ON COLUMN long_task.maintenance.next_at IS 'When somebody else than whoever is at it may go on.';
COMMENT ON COLUMN long_task.maintenance.turn IS 'Numbers those who were at it.';
COMMENT ON COLUMN long_task.maintenance.phase IS 'What is gone through: history, tasks, or runs of workflows.';
COMMENT ON COLUMN long_task.maintenance.place IS 'The id up to which it has been gone through.';
COMMENT ON COLUMN long_task.maintenance.stride IS 'How many ids are looked at in one step: as many as a few milliseconds allow.';
COMMENT ON COLUMN long_task.maintenance.swept IS 'When everything had been gone through last.';
COMMENT ON COLUMN long_task.maintenance.error IS 'What went wrong last; null: nothing since then.';
COMMENT ON TABLE long_task.run_kept IS
  'Runs of workflows that need not be looked at before a time. System.';
COMMENT ON COLUMN long_task.run_kept.run_id IS 'The run.';
COMMENT ON COLUMN long_task.run_kept.kept_until IS 'That time.';

-- Which partition takes the rows is told by the caller.
DROP FUNCTION IF EXISTS long_task.finish_deleted_attempts(integer, text, json);

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0011_retention', 'pg_tasks', 'changelog.xml', NOW(), 17, '9:b55a417722b47134fa185c7cf93a5c56', 'sqlFile path=changes/0011_retention.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0012_queue_gaps::pg_tasks

-- Gaps: what a session knows to be empty in an index that it reads from the front.
--
-- While a snapshot is held, by a report, a backup, a session that was left in a transaction, no entry of an index goes
-- away, and whoever looks for the first ready task passes by all that were taken since. So each session remembers
-- where it has found nothing, and steps over that (note_gaps, look_into_gaps). It is no table, which would collect dead
-- rows itself, and no fact for others: a session that has forgotten it finds it again.
--
-- A lane is a priority, or 0 where entries are in the order of time. A place is ready_seq, or microseconds since 1970.

CREATE TYPE long_task.queue_gap AS (
  lane integer,
  low  bigint,
  high bigint
);

COMMENT ON TYPE long_task.queue_gap IS
  'Places of a lane, from low to before high, at which there is nothing.';

CREATE TYPE long_task.queue_span AS (
  from_lane  integer,
  from_place bigint,
  to_lane    integer,
  to_place   bigint
);

COMMENT ON TYPE long_task.queue_span IS
  'A part of a queue that has to be read: what lies between two gaps.';

CREATE TYPE long_task.queue_gaps AS (
  gaps    long_task.queue_gap[],
  looking integer,
  looked  bigint,
  stride  bigint,
  entries bigint,
  debt    bigint,
  passes  integer,
  next    bigint,
  next_at timestamptz
);

COMMENT ON TYPE long_task.queue_gaps IS
  'The gaps of a queue in their order; the lane and the place up to which they were looked through, how far at once, how many entries were read since the first, how many too many by the call before, how often all were looked through since there was a reason; a number behind all others, and when it was.';

COMMENT ON COLUMN long_task.task.ready_seq IS
  'Place in the queue among tasks of the same priority; below 0: it has waited for its key or was given back, and comes before the others. System.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0012_queue_gaps', 'pg_tasks', 'changelog.xml', NOW(), 18, '9:1f7b3c4b1cc445d69888d056706a01a2', 'sqlFile path=changes/0012_queue_gaps.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0013_table_settings::pg_tasks

-- How often the table of tasks is vacuumed.
--
-- Each task leaves two dead rows behind, and their entries at the front of the index that is the queue, where claims pass
-- over them. By default a table of ten million rows is vacuumed when two millions are dead. Much more often is no better:
-- each VACUUM reads the indexes from end to end (docs/performance.md).
ALTER TABLE long_task.task SET (
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_threshold = 1000
);

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0013_table_settings', 'pg_tasks', 'changelog.xml', NOW(), 19, '9:1f7dfd8834e778179301c28851e25530', 'sqlFile path=changes/0013_table_settings.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0014_finding::pg_tasks

-- What long_task.doctor() finds.
CREATE TYPE long_task.finding AS (
  severity text,
  code     text,
  subject  text,
  found    text,
  advice   text
);

COMMENT ON TYPE long_task.finding IS 'Something that is wrong, or will be: a row of long_task.doctor().';
COMMENT ON COLUMN long_task.finding.severity IS
  'problem: something does not run, or may be lost; warning: it costs, or will be a problem; note: what could not be seen.';
COMMENT ON COLUMN long_task.finding.code IS 'Name of the finding, as in docs/operating.md.';
COMMENT ON COLUMN long_task.finding.subject IS 'What it is about.';
COMMENT ON COLUMN long_task.finding.found IS 'What was found.';
COMMENT ON COLUMN long_task.finding.advice IS 'What to do.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0014_finding', 'pg_tasks', 'changelog.xml', NOW(), 20, '9:7b677394e22c1574ca4e11128ae937a7', 'sqlFile path=changes/0014_finding.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0015_fleet::pg_tasks

-- Large fleets: each node watches over a few others, who come after it when all are in the order of this index. It is
-- a mixed order, so that nodes that fail together, as those of one machine, have other nodes that watch over them.
CREATE INDEX worker_lease_watch
  ON long_task.worker_lease (hashint4(worker_id))
  WHERE active;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0015_fleet', 'pg_tasks', 'changelog.xml', NOW(), 21, '9:84cff71d7c79bff1611727434faaaa31', 'sqlFile path=changes/0015_fleet.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0016_survey::pg_tasks

-- survey_work takes the place of quiet_for and says more; look_into_gaps is told whose round it is.
DROP FUNCTION IF EXISTS long_task.quiet_for(integer, integer);
DROP FUNCTION IF EXISTS long_task.look_into_gaps(text, integer, integer);

COMMENT ON TYPE long_task.queue_gaps IS
  'The gaps of a queue in their order; the lane and the place up to which they were looked through, how far at once, how many entries were read since the first, how many too many by the call before, how often the end of them is to be reached until the round that is going is over; a number behind all others, and when it was.';

CREATE TYPE long_task.survey AS (
  ready  boolean,
  busy   boolean,
  due_in double precision
);

COMMENT ON TYPE long_task.survey IS
  'What survey_work has found: whether something is ready for a node, whether something runs on it, seconds until something else is due; a type, because a function that returns one is called without a query.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0016_survey', 'pg_tasks', 'changelog.xml', NOW(), 22, '9:202ef3cdb13372b10879094651941053', 'sqlFile path=changes/0016_survey.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::changes/0017_lease_settings::pg_tasks

-- How often the table of leases is vacuumed and analyzed.
--
-- A renewal changes a row in its place, and whoever reads a page next clears the dead ones of it away: a VACUUM finds nothing to
-- do. But each VACUUM and each ANALYZE writes anew what the catalog says of the table, and then every session of every
-- node plans its renewal anew; by default that is once a minute in a fleet, and a quarter of what renewals cost the server
-- (docs/performance.md).
ALTER TABLE long_task.worker_lease SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 20000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 1000000
);

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('changes/0017_lease_settings', 'pg_tasks', 'changelog.xml', NOW(), 23, '9:f8d508008058a149799d582a8f7bd2eb', 'sqlFile path=changes/0017_lease_settings.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/plain_order::pg_tasks

-- plain_order: what a node has to know to start the attempt that a row is in, as the row has it.
--
-- Called by  start_order, order_with_results
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: it needs no search_path, and its expression becomes a part
-- of the calling statement.
CREATE OR REPLACE FUNCTION long_task.plain_order(p_task long_task.task)
RETURNS json
LANGUAGE sql
STABLE
RETURN json_build_object(
  'task_id', p_task.id,
  'attempt', p_task.attempt,
  'group_id', p_task.group_id,
  'priority', p_task.priority,
  'command', array_replace(p_task.command, '%TASK', p_task.id::text),
  'cwd', p_task.cwd,
  'env', p_task.env,
  'params', p_task.params::text,
  'stdin', p_task.stdin,
  'run_id', p_task.run_id,
  'timeout', extract(epoch FROM p_task.timeout),
  'kill_grace', extract(epoch FROM p_task.kill_grace),
  'scheduled_for', to_char(
    p_task.scheduled_for AT TIME ZONE 'UTC',
    CASE
      WHEN date_trunc('second', p_task.scheduled_for) = p_task.scheduled_for THEN 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
      ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
    END
  )
);

COMMENT ON FUNCTION long_task.plain_order(long_task.task) IS
  'What a node has to know to start the attempt that the row is in, as it stands there; durations in seconds, scheduled_for in UTC.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/plain_order', 'pg_tasks', 'changelog.xml', NOW(), 24, '9:1bdd6c0fd785f947822bf1131e63be2a', 'sqlFile path=procedures/plain_order.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/order_with_results::pg_tasks

-- order_with_results: what a node has to know to start a task that is given results of those it needs.
--
-- Called by  start_order
-- Locks      nothing
-- Raises     nothing: what cannot be passed is the error of that order, so that the attempt fails with it
--
-- Linux takes no variable and no argument longer than 128 KiB; what goes through stdin may be as long as any stdin.
CREATE OR REPLACE FUNCTION long_task.order_with_results(p_task long_task.task)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_limit       CONSTANT integer := 131000; -- with a name before it
  v_stdin_limit CONSTANT integer := 16777216;
  v_task        long_task.task := p_task;
  v_results     jsonb;
  v_params      jsonb;
  v_env         jsonb;
  v_stdin       text;
  v_bytes       bigint;
  v_error       text;
BEGIN
  IF array_to_string(p_task.command, ' ') !~ '%RESULT:' AND NOT EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task.id
      AND d.enabled
      AND d.pass IS NOT NULL
  ) THEN
    RETURN long_task.plain_order(p_task);
  END IF;
  -- An inner block, because it costs something to enter one.
  BEGIN
    v_bytes := long_task.passed_bytes(p_task.id, array_to_string(p_task.command, ' '));
    IF v_bytes > v_stdin_limit THEN
      v_error := format('results of %s bytes are longer than %s', v_bytes, v_stdin_limit);
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    SELECT
      COALESCE(jsonb_object_agg(r.name, r.value), '{}'),
      jsonb_object_agg(r.name, r.value) FILTER (WHERE r.pass = 'params' AND r.value IS NOT NULL),
      jsonb_object_agg(
        'RESULT_' || upper(regexp_replace(r.name, '[^A-Za-z0-9_]', '_', 'g')), long_task.plain_text(r.value)
      ) FILTER (WHERE r.pass = 'env' AND r.value IS NOT NULL),
      string_agg(array_to_string(r.texts, E'\n'), E'\n' ORDER BY r.name) FILTER (WHERE r.pass = 'stdin')
    INTO v_results, v_params, v_env, v_stdin
    FROM long_task.results_of_needs(p_task.id, array_to_string(p_task.command, ' ')) AS r;

    v_task.command := long_task.fill_in(p_task.command, 'RESULT', v_results);
    IF v_params IS NOT NULL AND jsonb_typeof(p_task.params) <> 'object' THEN
      v_error := format('results cannot be passed in params, which is %s and no object', jsonb_typeof(p_task.params));
    END IF;
    v_task.params := COALESCE(p_task.params || v_params, v_params, p_task.params);
    v_task.env := COALESCE(p_task.env || v_env, v_env, p_task.env);
    v_task.stdin := COALESCE(p_task.stdin || E'\n' || v_stdin, v_stdin, p_task.stdin);
    IF v_params IS NOT NULL AND octet_length(v_task.params::text) > v_limit THEN
      v_error := format('params with results of %s bytes is longer than %s', octet_length(v_task.params::text), v_limit);
    ELSIF octet_length(v_stdin) > v_stdin_limit THEN
      v_error := format('stdin with results of %s bytes is longer than %s', octet_length(v_stdin), v_stdin_limit);
    ELSIF v_task.command <> p_task.command AND octet_length(v_task.command::text) > v_limit THEN
      v_error := format('command with results of %s bytes is longer than %s', octet_length(v_task.command::text), v_limit);
    ELSIF octet_length(v_env::text) > v_limit THEN
      v_error := format('env with results of %s bytes is longer than %s', octet_length(v_env::text), v_limit);
    END IF;
    IF v_error IS NOT NULL THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', v_error);
    END IF;
    RETURN long_task.plain_order(v_task);
  EXCEPTION
    WHEN SQLSTATE 'LT013' OR program_limit_exceeded THEN
      RETURN long_task.plain_order(p_task)::jsonb || jsonb_build_object('error', SQLERRM);
  END;
END
$$;

COMMENT ON FUNCTION long_task.order_with_results(long_task.task) IS
  'What a node has to know to start the attempt that the row is in, with the results of what it needs; or the error.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/order_with_results', 'pg_tasks', 'changelog.xml', NOW(), 25, '9:0647991f39b6533a4ff71392b453f13f', 'sqlFile path=procedures/order_with_results.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/start_order::pg_tasks

-- start_order: what a node has to know to start the attempt that a row is in.
--
-- Called by  claim_tasks, reconcile_attempts
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: it needs no search_path, and its expression becomes a part
-- of the calling statement.
CREATE OR REPLACE FUNCTION long_task.start_order(p_task long_task.task)
RETURNS json
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_task.has_needs THEN long_task.order_with_results(p_task)
  ELSE long_task.plain_order(p_task)
END;

COMMENT ON FUNCTION long_task.start_order(long_task.task) IS
  'What a node has to know to start the attempt that the row is in, with the results of the tasks that it needs.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/start_order', 'pg_tasks', 'changelog.xml', NOW(), 26, '9:0da9796c4610f64b91fbfa4688c53a8b', 'sqlFile path=procedures/start_order.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/add_run::pg_tasks

-- add_run: write down a run of a workflow, and begin it unless it has to wait.
--
-- Called by  start_workflow for people, insert_clones for schedules and run_now
-- Locks      the row of the version FOR SHARE, so that nobody changes its steps meanwhile; then as begin_run
-- Raises     LT004 bad value, LT006 no such workflow, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- p_task_id        the template that starts it; null: none
-- p_scheduled_for  the time of its schedule; null: a person starts it
CREATE OR REPLACE FUNCTION long_task.add_run(
  p_workflow      text,
  p_params        jsonb,
  p_version       integer,
  p_task_id       bigint,
  p_scheduled_for timestamptz
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience interval := CASE WHEN p_scheduled_for IS NOT NULL THEN interval '2 seconds' END;
  v_workflow long_task.workflow;
  v_params   jsonb := COALESCE(p_params, '{}');
  v_run_id   bigint;
BEGIN
  IF p_scheduled_for IS NULL THEN
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE;
  ELSE
    -- A node waits for nobody who is writing the definition: the start is tried again a little later.
    SELECT w.* INTO v_workflow
    FROM long_task.workflow AS w
    WHERE w.name = p_workflow
      AND CASE WHEN p_version IS NULL THEN w.enabled ELSE w.version = p_version END
    ORDER BY w.version DESC
    LIMIT 1
    FOR SHARE NOWAIT;
  END IF;
  IF v_workflow.name IS NULL THEN
    PERFORM long_task.refuse('LT006',
      format('there is no workflow %s to start', COALESCE(p_workflow || ' version ' || p_version, p_workflow, 'null')),
      'The table long_task.workflow has all of them; without a version the latest one that is enabled is started.');
  END IF;
  IF jsonb_typeof(v_params) <> 'object' THEN
    PERFORM long_task.refuse('LT004', format('params is %s, not an object', jsonb_typeof(v_params)),
      'Give an object such as {"day": "2026-11-20"}.');
  END IF;
  INSERT INTO long_task.workflow_run (workflow, version, params, started_by, scheduled_for, task_id, owner)
  VALUES (
    v_workflow.name, v_workflow.version, v_params, CASE WHEN p_scheduled_for IS NULL THEN 'person' ELSE 'schedule' END,
    p_scheduled_for, p_task_id,
    COALESCE((SELECT t.owner FROM long_task.task AS t WHERE t.id = p_task_id), session_user)
  )
  RETURNING id INTO v_run_id;
  IF v_workflow.one_at_a_time THEN
    -- Seen by nodes when this is committed: the run before it may have ended until then.
    PERFORM long_task.leave_workflow(v_workflow.name, false);
    PERFORM long_task.begin_next_run(v_workflow.name, v_patience, true);
  ELSE
    PERFORM long_task.begin_run(v_run_id, v_patience);
  END IF;
  RETURN v_run_id;
END
$$;

COMMENT ON FUNCTION long_task.add_run(text, jsonb, integer, bigint, timestamptz) IS
  'Write down a run of a workflow, and begin it unless it has to wait for another. Returns its id.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/add_run', 'pg_tasks', 'changelog.xml', NOW(), 27, '9:9dca10fd623256f855d1b83c0000d790', 'sqlFile path=procedures/add_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/begin_next_run::pg_tasks

-- begin_next_run: begin the oldest run that waits, of a workflow whose runs come one at a time, if none is active.
--
-- Called by  add_run, settle_workflows when a run may have ended
-- Locks      the workflow (an advisory lock until the end of the transaction) and the row of the run, if nobody else has
--            them; then as begin_run
-- Raises     as begin_run
--
-- If another transaction has one of these locks, which may be a person's and last, it is left to a later sync.
--
-- p_patience  as in begin_run
-- p_again     it was left before
CREATE OR REPLACE FUNCTION long_task.begin_next_run(
  p_workflow text,
  p_patience interval,
  p_again    boolean
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run_id bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(long_task.workflow_lock(p_workflow)) THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  SELECT min(r.id) INTO v_run_id
  FROM long_task.workflow_run AS r
  WHERE r.workflow = p_workflow
    AND r.started IS NULL
    AND r.cancelled IS NULL;
  IF v_run_id IS NULL OR long_task.has_active_run(p_workflow, NULL) THEN
    RETURN;
  END IF;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = v_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    PERFORM long_task.leave_workflow(p_workflow, true, p_again);
    RETURN;
  END IF;
  PERFORM long_task.begin_run(v_run_id, p_patience);
  IF NOT long_task.has_active_run(p_workflow, NULL) THEN
    PERFORM long_task.leave_workflow(p_workflow, false); -- it had no tasks
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.begin_next_run(text, interval, boolean) IS
  'Begin the oldest waiting run of a workflow, if none is active.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/begin_next_run', 'pg_tasks', 'changelog.xml', NOW(), 28, '9:0a9eab5a189e6115aeaec665667a4c46', 'sqlFile path=procedures/begin_next_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/begin_run::pg_tasks

-- begin_run: make the tasks of a run, and the dependencies between them.
--
-- Called by  add_run, begin_next_run
-- Locks      nothing but the new rows, and the limit of the workflow if that has changed
-- Raises     LT004 bad value, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- Steps get their ids in an order in which each comes after those it needs. A step that is fanned out is a task for each
-- item, with the item in its params; it is given no arrays of the run's parameters, because each of ten thousand
-- tasks would have a copy of ten thousand items. No other step is given an array that one is fanned out over: it would
-- soon be longer than what Linux takes.
-- The settings keep the plans on the index of the run's tasks: statistics know nothing of a run that is being made.
--
-- p_patience  how long it may take to write the rows down before they are queued; null: as long as it takes. A node has to
--             go on renewing its lease.
CREATE OR REPLACE FUNCTION long_task.begin_run(
  p_run_id   bigint,
  p_patience interval
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off -- for what a forbidden plan costs on PostgreSQL 15
AS $$
DECLARE
  v_most     CONSTANT bigint := 1000000;
  v_run      long_task.workflow_run;
  v_workflow long_task.workflow;
  v_key      text;
  v_params   jsonb; -- of steps that are not fanned out
  v_scalars  jsonb; -- of those that are
  v_bad      record;
  v_begun    timestamptz := clock_timestamp(); -- a duration, not a time
BEGIN
  UPDATE long_task.workflow_run AS r
  SET started = long_task.clock()
  WHERE r.id = p_run_id
    AND r.started IS NULL
    AND r.cancelled IS NULL
  RETURNING r.* INTO v_run;
  SELECT w.* INTO v_workflow
  FROM long_task.workflow AS w
  WHERE w.name = v_run.workflow
    AND w.version = v_run.version;
  v_key := long_task.limit_workflow(v_workflow.name, v_workflow.version, v_workflow.max_running);
  v_params := v_run.params - COALESCE((
    SELECT array_agg(p.key)
    FROM jsonb_each(v_run.params) AS p
    JOIN long_task.workflow_step AS s ON s.workflow = v_run.workflow AND s.version = v_run.version
    WHERE jsonb_typeof(p.value) = 'array'
      AND s.fan_out IS NOT NULL
      AND jsonb_path_query_array(v_run.params, s.fan_out) IN (p.value, jsonb_build_array(p.value))
  ), ARRAY[]::text[]);
  v_scalars := COALESCE(
    (SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(v_run.params) AS p WHERE jsonb_typeof(p.value) <> 'array'), '{}'
  );

  WITH RECURSIVE reached(step, level) AS (
    SELECT s.name, 0
    FROM long_task.workflow_step AS s
    WHERE s.workflow = v_run.workflow
      AND s.version = v_run.version
    UNION
    SELECT e.step, r.level + 1
    FROM reached AS r
    JOIN long_task.workflow_edge AS e
      ON e.workflow = v_run.workflow AND e.version = v_run.version AND e.needs_step = r.step
  ),
  ranked AS (
    SELECT r.step, max(r.level) AS level
    FROM reached AS r
    GROUP BY r.step
  )
  INSERT INTO long_task.task (
    name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, timeout, kill_grace, max_attempts,
    retry_delay, concurrency_key, needs, unmet, run_id, step, item, owner, shed_parent_id, scheduled_for
  )
  SELECT
    s.name, 'DR', s.priority, s.group_id, s.worker_id, long_task.fill_in(s.command, 'PARAM', g.params), g.params, s.env,
    s.stdin, s.cwd, s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, COALESCE(s.concurrency_key, v_key), s.needs,
    s.unmet, p_run_id, s.name, i.place, v_run.owner, v_run.task_id, v_run.scheduled_for
  FROM ranked AS k
  JOIN long_task.workflow_step AS s
    ON s.workflow = v_run.workflow AND s.version = v_run.version AND s.name = k.step
  CROSS JOIN LATERAL long_task.items_of_step(s.fan_out, v_run.params) AS i
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN i.place IS NULL THEN COALESCE(s.params, '{}') || v_params
      ELSE COALESCE(s.params, '{}') || v_scalars || jsonb_build_object('item', i.value)
    END AS params
  ) AS g
  ORDER BY k.level, s.name, i.place;

  IF EXISTS (SELECT FROM long_task.task AS t WHERE t.run_id = p_run_id AND t.command[1] = '') THEN
    PERFORM long_task.refuse('LT005', format('a command of workflow %s begins with an empty parameter', v_run.workflow),
      'Give the parameter that names the program.');
  END IF;
  -- Below, OFFSET 0 keeps the order: from the edges to the tasks, each found by the index.
  WITH size AS MATERIALIZED (
    SELECT t.step, count(*) AS tasks
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    GROUP BY t.step
  )
  SELECT e.step, e.needs_step, t.tasks * p.tasks AS links INTO v_bad
  FROM long_task.workflow_edge AS e
  JOIN size AS t ON t.step = e.step
  JOIN size AS p ON p.step = e.needs_step
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
    AND t.tasks * p.tasks > v_most
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s would need %s through %s dependencies', v_bad.step, v_bad.needs_step, v_bad.links),
      'Set each, so that each item waits for the same item only, or put a step between them.');
  END IF;
  SELECT e.step, t.item, e.needs_step INTO v_bad
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  LEFT JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p ON true
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each
    AND p.id IS NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s needs each item of step %s, which has none for %s',
      v_bad.step, v_bad.needs_step, COALESCE('item ' || v_bad.item, 'a step that is not fanned out')),
      'Fan both steps out over the same array, or do not set each.');
  END IF;
  INSERT INTO long_task.task_dependency (task_id, needs_task_id, "on", condition, enabled, pass, gather, run_id)
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, p.item IS NOT NULL, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.needs_step OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND NOT e.each
  UNION ALL
  SELECT t.id, p.id, e."on", e.condition, e.enabled, e.pass, false, p_run_id
  FROM long_task.workflow_edge AS e
  CROSS JOIN LATERAL (
    SELECT f.id, f.item FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = e.step OFFSET 0
  ) AS t
  CROSS JOIN LATERAL (
    SELECT f.id
    FROM long_task.task AS f
    WHERE f.run_id = p_run_id AND f.step = e.needs_step AND f.item = t.item
    OFFSET 0
  ) AS p
  WHERE e.workflow = v_run.workflow
    AND e.version = v_run.version
    AND e.each;
  IF clock_timestamp() - v_begun > p_patience THEN
    PERFORM long_task.refuse('LT014', format('the %s tasks of a run of workflow %s are too many to be started by a node',
      (SELECT count(*) FROM long_task.task AS t WHERE t.run_id = p_run_id), v_run.workflow),
      'Start it with start_workflow, from a task of its own if need be, or let it do more in each task.');
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = CASE WHEN v_run.started_by = 'schedule' THEN 'system' ELSE t.queued_by END,
    state_id = 'AW'
  WHERE t.run_id = p_run_id;
END
$$;

COMMENT ON FUNCTION long_task.begin_run(bigint, interval) IS
  'Make the tasks of a run and the dependencies between them, and queue them.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/begin_run', 'pg_tasks', 'changelog.xml', NOW(), 29, '9:2b8382c23a50d61b86b12b5642dd43eb', 'sqlFile path=procedures/begin_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cancel_workflow::pg_tasks

-- cancel_workflow: cancel a run: what waits of it, and what runs.
--
-- Called by  people. It is as if they had written AC over each of its active tasks.
-- Locks      as lock_run
-- Raises     LT006 no such run
--
-- SECURITY DEFINER, because it writes the run. long_task_user may cancel any task, so that this gives no right
-- which it does not have.
--
-- Returns how many tasks were cancelled.
CREATE OR REPLACE FUNCTION long_task.cancel_workflow(p_run_id bigint)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run       long_task.workflow_run := long_task.lock_run(p_run_id);
  v_cancelled integer;
BEGIN
  UPDATE long_task.task AS t
  SET state_id = 'AC'
  WHERE t.run_id = p_run_id
    AND t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS');
  GET DIAGNOSTICS v_cancelled = ROW_COUNT;
  IF v_cancelled > 0 OR v_run.started IS NULL THEN
    UPDATE long_task.workflow_run AS r
    SET cancelled = COALESCE(r.cancelled, long_task.clock())
    WHERE r.id = p_run_id;
  END IF;
  RETURN v_cancelled;
END
$$;

COMMENT ON FUNCTION long_task.cancel_workflow(bigint) IS
  'Cancel a run of a workflow and all its active tasks. Returns how many there were.';

REVOKE ALL ON FUNCTION long_task.cancel_workflow(bigint) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cancel_workflow', 'pg_tasks', 'changelog.xml', NOW(), 30, '9:184fe3cbe6461afb3574c821306884c7', 'sqlFile path=procedures/cancel_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_edge::pg_tasks

-- check_edge: refuse a dependency, of a task or of a step, that says what cannot be understood.
--
-- Called by  check_dependency, check_workflow_edge
-- Locks      nothing
-- Raises     LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_edge(
  p_on        text,
  p_condition jsonpath,
  p_pass      text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_on NOT IN ('success', 'failure', 'cancel', 'end') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('on %s is not known', quote_literal(p_on)),
      HINT = 'Give one of ''success'', ''failure'', ''cancel'', ''end''.';
  END IF;
  IF p_pass NOT IN ('params', 'env', 'stdin') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('pass %s is not known', quote_literal(p_pass)),
      HINT = 'Give one of ''params'', ''env'', ''stdin'', or null.';
  END IF;
  IF p_condition IS NOT NULL THEN
    BEGIN
      PERFORM jsonb_path_match('{}', p_condition);
    EXCEPTION
      WHEN singleton_sql_json_item_required THEN
        RAISE EXCEPTION USING
          ERRCODE = 'LT012',
          MESSAGE = format('condition %s is no predicate', quote_literal(p_condition::text)),
          HINT = 'Write a comparison, such as $.rows > 0, or exists($.rows), and no filter.';
      WHEN data_exception THEN
        NULL; -- strict mode: it is the empty object that has not what it asks for
    END;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.check_edge(text, jsonpath, text) IS
  'Refuse a dependency that says what cannot be understood.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_edge', 'pg_tasks', 'changelog.xml', NOW(), 31, '9:9d8b0c80518b2cb05ad1af1486bdebc2', 'sqlFile path=procedures/check_edge.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_task_workflow::pg_tasks

-- check_task_workflow: refuse a template that is to start a workflow, and could not.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets all others pass
--            without a call.
-- Locks      nothing
-- Raises     LT003 illegal transition, LT006 no such workflow, LT007 bad schedule
CREATE OR REPLACE FUNCTION long_task.check_task_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.state_id <> 'DR' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task that starts workflow %s is not queued itself', NEW.workflow),
      HINT = 'Leave it a draft (DR): its schedule starts the workflow, and run_now does so at once.';
  END IF;
  IF NOT NEW.shed_clone OR NEW.jitter IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a task that starts workflow %s is a template without jitter', NEW.workflow),
      HINT = 'Set shed_clone to true, and jitter to null.';
  END IF;
  IF NOT EXISTS (SELECT FROM long_task.workflow AS w WHERE w.name = NEW.workflow) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT006',
      MESSAGE = format('there is no workflow %s', NEW.workflow),
      HINT = 'INSERT INTO long_task.workflow (name) comes first.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_workflow() IS
  'Trigger: refuse a template that is to start a workflow, and could not.';

CREATE OR REPLACE TRIGGER check_task_workflow
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (NEW.workflow IS NOT NULL)
EXECUTE FUNCTION long_task.check_task_workflow();

CREATE OR REPLACE TRIGGER check_changed_task_workflow
BEFORE UPDATE OF
  workflow, state_id, shed_clone, jitter
ON long_task.task
FOR EACH ROW
WHEN (NEW.workflow IS NOT NULL)
EXECUTE FUNCTION long_task.check_task_workflow();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_task_workflow', 'pg_tasks', 'changelog.xml', NOW(), 32, '9:32a04c1baba560321ad6ad9a90e7680c', 'sqlFile path=procedures/check_task_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_workflow_part::pg_tasks

-- check_workflow_part: give a new step or edge its version, and keep versions as they are that have been started.
--
-- Called by  triggers on workflow_step and workflow_edge, before each write of a row.
-- Locks      the row of the version FOR NO KEY UPDATE, so that start_workflow, which shares it, comes before or after
-- Raises     LT006 no such workflow, LT014 it has been started
CREATE OR REPLACE FUNCTION long_task.check_workflow_part()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_workflow text;
  v_version  integer;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.workflow, NEW.version) <> (OLD.workflow, OLD.version) THEN
    PERFORM long_task.refuse('LT014', 'a step or an edge stays in its version of its workflow',
      'Insert it into the other one, and delete it here.');
  END IF;
  IF TG_OP = 'INSERT' AND NEW.version IS NULL THEN
    NEW.version := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.workflow);
  END IF;
  IF TG_OP = 'DELETE' THEN
    v_workflow := OLD.workflow;
    v_version := OLD.version;
  ELSE
    v_workflow := NEW.workflow;
    v_version := NEW.version;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = v_workflow
    AND w.version = v_version
  FOR NO KEY UPDATE;
  IF NOT FOUND AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', v_workflow || COALESCE(' version ' || v_version, '')),
      'INSERT INTO long_task.workflow (name) comes first.');
  END IF;
  IF EXISTS (
    SELECT
    FROM long_task.workflow_run AS r
    WHERE r.workflow = v_workflow
      AND r.version = v_version
  ) THEN
    PERFORM long_task.refuse('LT014', format('version %s of workflow %s has been started', v_version, v_workflow),
      format('Make another version with SELECT long_task.new_workflow_version(%L), and change that.', v_workflow));
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_part() IS
  'Trigger: keep versions of workflows as they are that have been started.';

REVOKE ALL ON FUNCTION long_task.check_workflow_part() FROM PUBLIC;

CREATE OR REPLACE TRIGGER check_workflow_part
BEFORE INSERT OR UPDATE OR DELETE ON long_task.workflow_step
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_part();

CREATE OR REPLACE TRIGGER check_workflow_part
BEFORE INSERT OR UPDATE OR DELETE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_part();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_workflow_part', 'pg_tasks', 'changelog.xml', NOW(), 33, '9:f6f050e3a3917bfc170254d6add5384c', 'sqlFile path=procedures/check_workflow_part.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_workflow_step::pg_tasks

-- check_workflow_step: refuse a step of a workflow whose tasks could never be started as it is written.
--
-- Called by  trigger on workflow_step, before INSERT and UPDATE.
-- Locks      nothing
-- Raises     LT004 bad value, LT005 bad command, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_workflow_step()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_bad     text;
BEGIN
  IF NEW.command IS NULL
     OR array_ndims(NEW.command) IS DISTINCT FROM 1
     OR array_lower(NEW.command, 1) <> 1
     OR array_position(NEW.command, NULL) IS NOT NULL
     OR NEW.command[1] = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  v_bad := CASE
    WHEN jsonb_typeof(NEW.params) <> 'object' THEN format('params is %s, not an object', jsonb_typeof(NEW.params))
    WHEN jsonb_typeof(NEW.env) <> 'object' THEN format('env is %s, not an object', jsonb_typeof(NEW.env))
    WHEN NEW.max_attempts < 1 THEN format('max_attempts %s is less than 1', NEW.max_attempts)
    WHEN extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
      format('timeout %s is not between 0 and %s', NEW.timeout, v_longest)
    WHEN extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
      format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest)
    WHEN extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
      format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest)
    WHEN octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN 'concurrency_key is not between 1 and 1000 bytes long'
  END;
  IF v_bad IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = v_bad,
      HINT = 'The columns of a step are those of long_task.task.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') OR NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %L or unmet %L is not known', NEW.needs, NEW.unmet),
      HINT = 'needs is ''all'' (the same as null) or ''any''; unmet ''cancel'' (the same as null), ''start'' or ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_step() IS
  'Trigger: refuse a step of a workflow whose tasks could never be started as it is written.';

CREATE OR REPLACE TRIGGER check_workflow_step
BEFORE INSERT OR UPDATE ON long_task.workflow_step
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_step();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_workflow_step', 'pg_tasks', 'changelog.xml', NOW(), 34, '9:c86c2347b18bf5401696d3b4bf59356e', 'sqlFile path=procedures/check_workflow_step.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_workflow_edge::pg_tasks

-- check_workflow_edge: refuse edges of a workflow that make no sense.
--
-- Called by  triggers on workflow_edge: before each write of a row, and after INSERT and UPDATE for cycles.
-- Locks      after: the row of the version FOR UPDATE, so that two cannot close a cycle together
-- Raises     LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_workflow_edge()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_path text[];
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
    RETURN NEW;
  END IF;
  PERFORM
  FROM long_task.workflow AS w
  WHERE w.name = NEW.workflow
    AND w.version = NEW.version
  FOR UPDATE;
  WITH RECURSIVE needed(step) AS (
    VALUES (NEW.needs_step)
    UNION
    SELECT e.needs_step
    FROM needed AS n
    JOIN long_task.workflow_edge AS e
      ON e.workflow = NEW.workflow AND e.version = NEW.version AND e.step = n.step
  )
  SELECT long_task.step_path(NEW.workflow, NEW.version, NEW.step, NEW.needs_step) INTO v_path
  FROM needed AS n
  WHERE n.step = NEW.step;
  IF FOUND THEN
    PERFORM long_task.refuse('LT012', format('step %s would wait for itself: %s', NEW.step, array_to_string(v_path, ' needs ')),
      'Leave out one of these edges.');
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.check_workflow_edge() IS
  'Trigger: refuse edges of a workflow that make no sense, and cycles.';

REVOKE ALL ON FUNCTION long_task.check_workflow_edge() FROM PUBLIC;

CREATE OR REPLACE TRIGGER check_workflow_edge
BEFORE INSERT OR UPDATE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_edge();

CREATE OR REPLACE TRIGGER check_workflow_cycle
AFTER INSERT OR UPDATE ON long_task.workflow_edge
FOR EACH ROW
EXECUTE FUNCTION long_task.check_workflow_edge();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_workflow_edge', 'pg_tasks', 'changelog.xml', NOW(), 35, '9:f0163e049787772e5945418736f97c27', 'sqlFile path=procedures/check_workflow_edge.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/entries_read::pg_tasks

-- entries_read: how many entries of a queue's index this session has read, also in vain.
--
-- Called by  look_into_gaps, which compares two answers of one transaction
-- Locks      nothing
-- Raises     nothing
--
-- PostgreSQL counts them anyway; without track_counts it does not, all that is read seems to be free, and
-- no gap is ever noted.
CREATE OR REPLACE FUNCTION long_task.entries_read(p_queue text)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN pg_stat_get_xact_tuples_returned(CASE p_queue
    WHEN 'group' THEN 'long_task.task_ready'::regclass
    WHEN 'worker' THEN 'long_task.task_ready_pinned'::regclass
    WHEN 'delayed_group' THEN 'long_task.task_delayed'::regclass
    WHEN 'delayed_worker' THEN 'long_task.task_delayed_pinned'::regclass
    WHEN 'schedule' THEN 'long_task.task_scheduled'::regclass
  END);
END
$$;

COMMENT ON FUNCTION long_task.entries_read(text) IS
  'How many entries of the index of a queue this session has read so far.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/entries_read', 'pg_tasks', 'changelog.xml', NOW(), 36, '9:2540705528b76e35dfdcf7d39b187a87', 'sqlFile path=procedures/entries_read.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/finish_deleted_attempts::pg_tasks

-- finish_deleted_attempts: write down how those attempts of a worker ended whose tasks were deleted meanwhile.
--
-- Called by  finish_attempts, with all reports it was given; those of rows that are there find nothing here.
-- Locks      rows of deleted_attempt of that worker, which nobody else writes
-- Raises     nothing
--
-- p_part  the partition of history that takes rows now
CREATE OR REPLACE FUNCTION long_task.finish_deleted_attempts(
  p_worker_id integer,
  p_node_name text,
  p_reports   json,
  p_part      integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_keys   text[];
  v_groups integer[];
  v_needed bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM long_task.deleted_attempt AS d
    USING json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
    WHERE d.worker_id = p_worker_id
      AND d.task_id = r.task_id
      AND d.attempt = r.attempt
    RETURNING d.task_id, d.attempt, d.group_id, d.started, d.started_by, d.scheduled_for, d.concurrency_key
  ),
  history AS (
    INSERT INTO long_task.task_run (
      task_id, attempt, group_id, worker_id, node_name, pid, started, finished, state_id, exit_code, signal,
      error, output, user_seconds, system_seconds, peak_memory, started_by, scheduled_for, part
    )
    SELECT
      g.task_id, g.attempt, g.group_id, p_worker_id, p_node_name, r.pid,
      COALESCE(v_now - make_interval(secs => r.started_ago), g.started, v_now),
      v_now - make_interval(secs => r.ended_ago),
      'CC', r.exit_code, r.signal, 'task deleted', r.output, r.user_seconds, r.system_seconds,
      r.peak_memory, g.started_by, g.scheduled_for, p_part
    FROM gone AS g
    JOIN json_to_recordset(p_reports) AS r(
      task_id        bigint,
      attempt        integer,
      pid            integer,
      exit_code      smallint,
      signal         smallint,
      started_ago    double precision,
      ended_ago      double precision,
      user_seconds   real,
      system_seconds real,
      peak_memory    bigint,
      output         text
    ) ON r.task_id = g.task_id AND r.attempt = g.attempt
    ON CONFLICT DO NOTHING
  )
  SELECT
    array_agg(DISTINCT g.concurrency_key) FILTER (WHERE g.concurrency_key IS NOT NULL),
    array_agg(DISTINCT g.group_id),
    array_agg(g.task_id) FILTER (WHERE EXISTS (
      SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = g.task_id
    ))
  INTO v_keys, v_groups, v_needed
  FROM gone AS g;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys);
  END IF;
  IF v_needed IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_needed);
  END IF;
  PERFORM long_task.announce(g.group_id, NULL)
  FROM long_task.group_limit AS g
  WHERE g.group_id = ANY (v_groups);
END
$$;

COMMENT ON FUNCTION long_task.finish_deleted_attempts(integer, text, json, integer) IS
  'Write down how attempts ended whose tasks were deleted while they ran.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/finish_deleted_attempts', 'pg_tasks', 'changelog.xml', NOW(), 37, '9:9bfbfea2985bb05f06c0ecdea8993b3a', 'sqlFile path=procedures/finish_deleted_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/free_keys::pg_tasks

-- free_keys: let tasks come back to the queue that waited for a key, as far as there is room.
--
-- Called by  finish_attempts in the transaction of the end, settle_keys for what that had to leave
-- Locks      as key_room; task rows FOR NO KEY UPDATE SKIP LOCKED
-- Raises     nothing
--
-- The best ones of each group, and of each worker that has tasks of its own, come back, as many as there is room for:
-- not every group has a node that could take the room, and whoever comes too late is put aside again.
--
-- p_again  they were left before
CREATE OR REPLACE FUNCTION long_task.free_keys(
  p_keys  text[],
  p_again boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_batch  CONSTANT integer := 1000;
  v_key    text;
  v_room   integer;
  v_ids    bigint[];
  v_locked bigint[];
BEGIN
  -- In the order of the keys, and no lock is waited for: nobody stands in anybody's way.
  FOREACH v_key IN ARRAY p_keys LOOP
    v_room := long_task.key_room(v_key);
    IF v_room IS NULL THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
      CONTINUE;
    END IF;
    CONTINUE WHEN v_room <= 0;
    v_ids := ARRAY(
      WITH RECURSIVE of_group(id) AS (
        SELECT min(t.group_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.group_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id > g.id
        )
        FROM of_group AS g
        WHERE g.id IS NOT NULL
      ),
      of_worker(id) AS (
        SELECT min(t.worker_id)
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key
        UNION ALL
        SELECT (
          SELECT min(t.worker_id)
          FROM long_task.task AS t
          WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id > w.id
        )
        FROM of_worker AS w
        WHERE w.id IS NOT NULL
      )
      SELECT b.id
      FROM of_group AS g
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = v_key AND t.group_id = g.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
      UNION ALL
      SELECT b.id
      FROM of_worker AS w
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = v_key AND t.worker_id = w.id
        ORDER BY t.priority, t.ready_seq
        LIMIT LEAST(v_room, v_batch)
      ) AS b
    );
    v_locked := ARRAY(
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_ids)
        AND t.wants_key
      FOR NO KEY UPDATE SKIP LOCKED
    );
    -- 'system' tells the triggers that a procedure writes this; it is never stored.
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = 'AW',
      wants_key = false
    FROM (
      -- In their order: each gets a number.
      SELECT w.id
      FROM long_task.task AS w
      WHERE w.id = ANY (v_locked)
      ORDER BY w.priority, w.ready_seq
    ) AS b
    WHERE t.id = b.id;
    IF cardinality(v_locked) < cardinality(v_ids) THEN
      PERFORM long_task.leave_key(v_key, true, p_again);
    ELSIF v_room > v_batch THEN
      PERFORM long_task.leave_key(v_key, false) WHERE cardinality(v_ids) >= v_batch;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.free_keys(text[], boolean) IS
  'Let tasks come back to the queue that waited for these keys, as far as there is room.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/free_keys', 'pg_tasks', 'changelog.xml', NOW(), 38, '9:138a1ee286cf0abb9761aa03b6d77670', 'sqlFile path=procedures/free_keys.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/front_base::pg_tasks

-- front_base: what is added to a number of the sequence to make it a place of the front.
--
-- Called by  front_place, note_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.front_base()
RETURNS bigint
LANGUAGE sql
IMMUTABLE
RETURN -4611686018427387904;

COMMENT ON FUNCTION long_task.front_base() IS
  'What is added to a number of the sequence ready_seq to make it a place before all others.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/front_base', 'pg_tasks', 'changelog.xml', NOW(), 39, '9:23aae23ce111157652b1fcdfb1c26dec', 'sqlFile path=procedures/front_base.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/front_place::pg_tasks

-- front_place: a place in the queue before all tasks of a priority, behind those that were put there earlier.
--
-- Called by  move_task for a task that has waited for its key, finish_attempts for one that was given back
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.front_place()
RETURNS bigint
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT nextval('long_task.ready_seq') + long_task.front_base()
$$;

COMMENT ON FUNCTION long_task.front_place() IS
  'A number for ready_seq below 0, which is before all tasks of the same priority that were queued as usual. Each is greater than the one before.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/front_place', 'pg_tasks', 'changelog.xml', NOW(), 40, '9:01adbb333e6c5c6c1721cc36f03b658a', 'sqlFile path=procedures/front_place.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/group_room::pg_tasks

-- group_room: how many more tasks of a group may be started.
--
-- Called by  pick_tasks, is_told_of_room
-- Locks      the group (an advisory lock until the end of the transaction), if it has a limit and nobody else has it
-- Raises     nothing
--
-- Counts all that runs, which is as much as all nodes have slots, and only for groups with a limit.
--
-- Returns null if another transaction has the lock.
CREATE OR REPLACE FUNCTION long_task.group_room(
  p_group_id integer,
  p_limit    integer
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
AS $$
DECLARE
  v_max integer := (SELECT g.max_running FROM long_task.group_limit AS g WHERE g.group_id = p_group_id);
BEGIN
  IF v_max IS NULL THEN
    RETURN p_limit;
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.group_limit ' || p_group_id, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN LEAST(p_limit, v_max - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
      AND t.group_id = p_group_id
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.group_id = p_group_id
  ));
END
$$;

COMMENT ON FUNCTION long_task.group_room(integer, integer) IS
  'How many more tasks of a group may be started, up to so many; null: another transaction is about to find out.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/group_room', 'pg_tasks', 'changelog.xml', NOW(), 41, '9:b2cb53ce89ff99d3f994ce431f3e7661', 'sqlFile path=procedures/group_room.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/has_active_run::pg_tasks

-- has_active_run: whether a task of any run of a workflow is active, or has a process.
--
-- Called by  begin_next_run, resume_workflow
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.has_active_run(
  p_workflow text,
  p_but      bigint
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task AS t
    JOIN long_task.workflow_run AS r ON r.id = t.run_id
    WHERE t.run_id IS NOT NULL
      AND (t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL)
      AND r.workflow = p_workflow
      AND r.id IS DISTINCT FROM p_but
  );
END
$$;

COMMENT ON FUNCTION long_task.has_active_run(text, bigint) IS
  'Whether a run of a workflow, but for one, has an active task.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/has_active_run', 'pg_tasks', 'changelog.xml', NOW(), 42, '9:fb1195dc0bd20408e3f60bc2cf9d5cad', 'sqlFile path=procedures/has_active_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/is_told_of_room::pg_tasks

-- is_told_of_room: whether what is ready for an idle node is held back by nothing but the limit of its group.
--
-- Called by  seconds_to_next_due, of a node that has claimed nothing of what is ready
-- Locks      the group (group_room)
-- Raises     nothing
--
-- Then it can sleep: its group is told when the limit is raised, and when one of those that run has ended. The node is told
-- of no other group, to which a task that is pinned to it may belong.
CREATE OR REPLACE FUNCTION long_task.is_told_of_room(
  p_worker_id integer,
  p_group_id  integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  RETURN EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id)
    AND NOT EXISTS (
      SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)
    )
    AND long_task.group_room(p_group_id, 1) <= 0;
END
$$;

COMMENT ON FUNCTION long_task.is_told_of_room(integer, integer) IS
  'Whether what is ready for an idle node is held back by nothing but the limit of its group, of which it will be told; null: somebody else is finding out.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/is_told_of_room', 'pg_tasks', 'changelog.xml', NOW(), 43, '9:f8947c826c43afbcefff97a9e354b856', 'sqlFile path=procedures/is_told_of_room.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/keep_queue_gaps::pg_tasks

-- keep_queue_gaps: remember the gaps of a queue for the rest of the session, if the transaction is committed.
--
-- Called by  note_gaps, look_into_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.keep_queue_gaps(
  p_queue text,
  p_key   integer,
  p_gaps  long_task.queue_gaps
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_name  CONSTANT text := p_queue || '_' || replace(p_key::text, '-', '_');
  v_noted text[] := array_remove(string_to_array(current_setting('long_task.gaps', true), ' '), v_name);
BEGIN
  IF cardinality(p_gaps.gaps) > 0 THEN
    v_noted := v_noted || v_name;
  END IF;
  -- Which queues have gaps, for those who would otherwise have to ask for each.
  PERFORM set_config('long_task.gaps', COALESCE(array_to_string(v_noted, ' '), ''), false);
  PERFORM set_config('long_task.gaps_' || v_name, p_gaps::text, false);
END
$$;

COMMENT ON FUNCTION long_task.keep_queue_gaps(text, integer, long_task.queue_gaps) IS
  'Remember the gaps of a queue for the rest of the session.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/keep_queue_gaps', 'pg_tasks', 'changelog.xml', NOW(), 44, '9:8dce9bc9be99460a19a6d00bb6c73f99', 'sqlFile path=procedures/keep_queue_gaps.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/known_spans::pg_tasks

-- known_spans: the parts of a queue that have to be read, in their order, in a session that knows of gaps.
--
-- Called by  queue_spans
-- Locks      nothing
-- Raises     nothing
--
-- p_queue, p_key  as in live_places
CREATE OR REPLACE FUNCTION long_task.known_spans(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_span[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_whole CONSTANT long_task.queue_span := ROW(-2147483648, -9223372036854775808, 2147483647, 9223372036854775807);
  v_span  long_task.queue_span := v_whole;
  v_spans long_task.queue_span[] := ARRAY[]::long_task.queue_span[];
  v_gaps  long_task.queue_gap[] := (long_task.queue_gaps_of(p_queue, p_key)).gaps;
  v_gap   long_task.queue_gap;
BEGIN
  IF cardinality(v_gaps) > 0 IS NOT TRUE THEN
    RETURN ARRAY[v_whole];
  END IF;
  FOREACH v_gap IN ARRAY v_gaps LOOP
    v_span.to_lane := v_gap.lane;
    v_span.to_place := v_gap.low;
    v_spans := v_spans || v_span;
    v_span.from_lane := v_gap.lane;
    v_span.from_place := v_gap.high;
  END LOOP;
  v_span.to_lane := v_whole.to_lane;
  v_span.to_place := v_whole.to_place;
  RETURN v_spans || v_span;
END
$$;

COMMENT ON FUNCTION long_task.known_spans(text, integer) IS
  'The parts of a queue between its gaps.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/known_spans', 'pg_tasks', 'changelog.xml', NOW(), 45, '9:b021dae388dbc24f3d4e27af6920d738', 'sqlFile path=procedures/known_spans.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/live_places::pg_tasks

-- live_places: the first places in parts of a queue at which there is something, whoever holds it.
--
-- Called by  note_gaps, look_into_gaps, seconds_to_next_due, is_told_of_room, leave_post
-- Locks      nothing
-- Raises     nothing
--
-- The settings of its callers keep the plans on the indexes.
--
-- p_queue  group, worker: what is ready for a group, or for a worker alone; delayed_group, delayed_worker: what
--          waits for a time; schedule: what is fired when its time has come
-- p_key    the group or the worker; 0 for schedule
CREATE OR REPLACE FUNCTION long_task.live_places(
  p_queue text,
  p_key   integer,
  p_spans long_task.queue_span[],
  p_limit integer
)
RETURNS TABLE (lane integer, place bigint)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE p_queue
    WHEN 'group' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'worker' THEN
      RETURN QUERY
      SELECT f.priority, f.ready_seq
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.priority, t.ready_seq
        FROM long_task.task AS t
        WHERE t.state_id = 'AW'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
          AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
        ORDER BY t.priority, t.ready_seq
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_group' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id IS NULL
          AND t.group_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'delayed_worker' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.start_after)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.start_after
        FROM long_task.task AS t
        WHERE t.state_id = 'AD'
          AND t.running_on IS NULL
          AND t.worker_id = p_key
          AND t.start_after >= long_task.place_to_time(s.from_place)
          AND t.start_after < long_task.place_to_time(s.to_place)
        ORDER BY t.start_after
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
    WHEN 'schedule' THEN
      RETURN QUERY
      SELECT 0, long_task.time_to_place(f.next_start)
      FROM unnest(p_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
        ORDER BY t.next_start
        LIMIT p_limit
      ) AS f
      LIMIT p_limit;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.live_places(text, integer, long_task.queue_span[], integer) IS
  'The first places in parts of a queue at which there is something.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/live_places', 'pg_tasks', 'changelog.xml', NOW(), 46, '9:373df447c663cd829be621d86a92f93d', 'sqlFile path=procedures/live_places.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/look_into_gaps::pg_tasks

-- look_into_gaps: see whether gaps of a queue are empty still, a part of them with each call.
--
-- Called by  claim_tasks, release_delayed_tasks, fire_schedules before they read the queue; seconds_to_next_due, which looks at
--            more, because there is nothing else to do
-- Locks      nothing
-- Raises     nothing
--
-- A part in which there is something is no gap any more. However many entries there are in the gaps, a call reads
-- few of them, so that what has got into a gap is found the later, the more it costs to look. When all gaps have been
-- looked through and few entries were read, the snapshot that made them is gone, and they are given up.
--
-- p_entries  about how many entries to read. There may be more at one place, of tasks that were delayed to the same time: then the
--            next calls read the less.
-- p_round    whether the caller sleeps when all gaps have been looked through since it first asked; of each queue, one is that.
--            Whoever looks meanwhile brings it on, and ends no round.
--
-- Returns the seconds after which to go on: 0, if something was found; null: the round is over, or it is another caller's.
CREATE OR REPLACE FUNCTION long_task.look_into_gaps(
  p_queue   text,
  p_key     integer,
  p_entries integer,
  p_round   boolean DEFAULT false
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_pause    CONSTANT double precision := 0.02;
  v_few      CONSTANT integer := 500;
  v_probe    CONSTANT integer := 100; -- to ask costs as much as to read so many
  v_shortest CONSTANT bigint := 64;
  v_longest  CONSTANT bigint := 2305843009213693952;
  v_known    long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_gap      long_task.queue_gap;
  v_place    integer; -- of that gap among all
  v_stride   bigint := COALESCE(v_known.stride, v_shortest);
  v_first    boolean;
  v_from     bigint;
  v_until    bigint;
  v_before   bigint;
  v_read     bigint;
  v_left     bigint := p_entries - COALESCE(v_known.debt, 0);
  v_again    double precision;
  v_whole    boolean := v_known.looking IS NULL; -- it began, or begins again, with the first gap
BEGIN
  IF cardinality(v_known.gaps) > 0 IS NOT TRUE THEN
    RETURN NULL;
  END IF;
  IF p_round AND v_known.passes IS NULL THEN
    -- What was looked at before may be out of date: so from there to the end, and once more from the start.
    v_known.passes := CASE WHEN v_whole THEN 1 ELSE 2 END;
  ELSIF p_round AND v_known.passes = 0 THEN
    v_known.passes := NULL;
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN NULL;
  END IF;
  LOOP
    SELECT g.lane, g.low, g.high, g.place
    INTO v_gap.lane, v_gap.low, v_gap.high, v_place
    FROM unnest(v_known.gaps) WITH ORDINALITY AS g(lane, low, high, place)
    WHERE v_known.looking IS NULL
       OR (g.lane, g.high) > (v_known.looking, v_known.looked)
    ORDER BY g.place
    LIMIT 1;
    IF NOT FOUND THEN
      IF v_known.entries < v_few THEN
        v_known.gaps := NULL;
      END IF;
      v_known.looking := NULL;
      v_known.passes := CASE WHEN v_known.passes > 0 THEN v_known.passes - 1 ELSE v_known.passes END;
      IF p_round AND v_known.passes = 0 THEN
        v_known.passes := NULL;
        EXIT;
      ELSIF v_whole OR v_known.gaps IS NULL OR v_known.entries > v_left THEN
        v_again := COALESCE(v_again, v_pause);
        EXIT;
      END IF;
      v_whole := true;
      CONTINUE;
    END IF;
    IF v_left <= 0 THEN
      v_again := COALESCE(v_again, v_pause);
      EXIT;
    END IF;
    v_first := v_known.looking IS NULL;
    v_from := CASE WHEN v_gap.lane = v_known.looking THEN GREATEST(v_gap.low, v_known.looked) ELSE v_gap.low END;
    v_until := LEAST(v_gap.high, v_from + v_stride);
    v_before := long_task.entries_read(p_queue);
    IF EXISTS (
      SELECT
      FROM long_task.live_places(
        p_queue, p_key, ARRAY[ROW(v_gap.lane, v_from, v_gap.lane, v_until)::long_task.queue_span], 1
      )
    ) THEN
      v_again := 0;
      v_known.gaps := v_known.gaps[: v_place - 1]
        || ARRAY(
          SELECT p
          FROM (VALUES
            (ROW(v_gap.lane, v_gap.low, v_from)::long_task.queue_gap),
            (ROW(v_gap.lane, v_until, v_gap.high)::long_task.queue_gap)
          ) AS v(p)
          WHERE (p).low < (p).high
        )
        || v_known.gaps[v_place + 1 :];
    END IF;
    v_read := long_task.entries_read(p_queue) - v_before;
    v_known.looking := v_gap.lane;
    v_known.looked := v_until;
    v_known.entries := CASE WHEN v_first THEN 0 ELSE v_known.entries END + v_read;
    v_left := v_left - v_read - v_probe;
    v_stride := CASE
      WHEN v_read * 2 < v_few THEN LEAST(v_stride * 2, v_longest)
      WHEN v_read > v_few THEN GREATEST(v_stride / 2, v_shortest)
      ELSE v_stride
    END;
  END LOOP;
  v_known.stride := v_stride;
  v_known.debt := GREATEST(0, -v_left);
  IF v_known.gaps IS NULL THEN
    v_known.passes := NULL;
    v_again := NULLIF(v_again, v_pause);
  END IF;
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
  RETURN CASE WHEN p_round THEN v_again END;
END
$$;

COMMENT ON FUNCTION long_task.look_into_gaps(text, integer, integer, boolean) IS
  'See whether gaps of a queue are empty still, as far as can be seen by reading so many entries. Returns the seconds after which to go on; null: all was seen.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/look_into_gaps', 'pg_tasks', 'changelog.xml', NOW(), 47, '9:5361b722e67203ba8e5ddc84d76d560d', 'sqlFile path=procedures/look_into_gaps.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/note_gaps::pg_tasks

-- note_gaps: remember where a queue is empty that was read in vain.
--
-- Called by  claim_tasks, release_delayed_tasks, fire_schedules, when they have read many more entries than they found tasks: somebody
--            holds a snapshot, and what was taken long ago is still passed by
-- Locks      nothing
-- Raises     nothing
--
-- A gap is what lies between two tasks that are there, whoever holds them, or between the last of a lane and the number
-- (or time) that was the next a moment ago. What becomes ready later lies behind that, and what was about to be committed then has
-- been. What can still come into a gap is a task that is committed much later than it got its number, and one that
-- a person moves to another priority, group or worker: look_into_gaps finds those. A task that comes back to its place gets a number of the front (move_task), which is
-- below 0, and a gap of its own ends before the next of those numbers.
--
-- So of each lane is known what is not to be read; of a lane that nobody has heard of, nothing.
--
-- p_ids  tasks that have just been taken from it, whose lanes may have gaps
CREATE OR REPLACE FUNCTION long_task.note_gaps(
  p_queue text,
  p_key   integer,
  p_ids   bigint[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_look   CONSTANT integer := 100; -- so many tasks that are there are stepped around
  v_width  CONSTANT bigint := 100;  -- it is not worth while to step over less
  v_most   CONSTANT integer := 256;
  v_front  CONSTANT bigint := long_task.front_base();
  v_timed  CONSTANT boolean := p_queue NOT IN ('group', 'worker');
  v_ripe   CONSTANT interval := interval '0.1 seconds';
  v_now    CONSTANT timestamptz := long_task.clock();
  v_before CONSTANT long_task.queue_gaps := long_task.queue_gaps_of(p_queue, p_key);
  v_known  long_task.queue_gaps := v_before;
BEGIN
  IF v_timed THEN
    v_known.next := long_task.time_to_place(v_now);
  ELSE
    v_known.next := (SELECT q.last_value + 1 FROM long_task.ready_seq AS q);
  END IF;
  IF v_before.next_at <= v_now AND v_now < v_before.next_at + v_ripe THEN
    RETURN;
  END IF;
  v_known.next_at := v_now;
  IF (v_before.next_at <= v_now) IS NOT TRUE THEN
    PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
    RETURN;
  END IF;
  v_known.gaps := ARRAY(
    WITH known AS (
      SELECT g.lane, g.low, g.high FROM unnest(v_before.gaps) AS g
    ),
    live AS MATERIALIZED (
      SELECT l.lane, l.place
      FROM long_task.live_places(p_queue, p_key, long_task.queue_spans(p_queue, p_key), v_look) AS l
    ),
    seen AS (
      -- The end of what was looked at; null: all was.
      SELECT l.lane, l.place FROM live AS l ORDER BY l.lane, l.place OFFSET v_look - 1
    ),
    lane AS (
      SELECT l.lane, l.place < 0 AS front FROM live AS l
      UNION
      SELECT k.lane, k.low < 0 FROM known AS k
      UNION
      SELECT 0, false -- the one that most tasks are in, or the only one
      UNION
      SELECT CASE WHEN v_timed THEN 0 ELSE t.priority END, NOT v_timed AND t.ready_seq < 0
      FROM long_task.task AS t
      WHERE t.id = ANY (p_ids)
    ),
    mark AS (
      SELECT l.lane, l.place < 0 AS front, l.place FROM live AS l
      UNION ALL
      SELECT n.lane, n.front, CASE WHEN n.front THEN v_front ELSE -1 END FROM lane AS n
    ),
    gap AS (
      SELECT
        m.lane,
        m.place + 1 AS low,
        LEAST(
          lead(m.place) OVER (PARTITION BY m.lane, m.front ORDER BY m.place),
          CASE WHEN m.front THEN v_before.next + v_front ELSE v_before.next END
        ) AS high
      FROM mark AS m
    ),
    all_gaps AS (
      SELECT g.lane, g.low, g.high
      FROM gap AS g
      WHERE COALESCE((g.lane, g.low) < (SELECT s.lane, s.place FROM seen AS s), true)
      UNION ALL
      SELECT k.lane, k.low, k.high
      FROM known AS k
      WHERE (k.lane, k.low) > (SELECT s.lane, s.place FROM seen AS s)
    ),
    widest AS (
      SELECT a.lane, a.low, a.high
      FROM all_gaps AS a
      WHERE a.high >= a.low + v_width
      ORDER BY a.high - a.low DESC
      LIMIT v_most
    )
    SELECT ROW(w.lane, w.low, w.high)::long_task.queue_gap
    FROM widest AS w
    ORDER BY w.lane, w.low
  );
  PERFORM long_task.keep_queue_gaps(p_queue, p_key, v_known);
END
$$;

COMMENT ON FUNCTION long_task.note_gaps(text, integer, bigint[]) IS
  'Remember where a queue is empty, so that it is not read there.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/note_gaps', 'pg_tasks', 'changelog.xml', NOW(), 48, '9:ff12acdc3886d4f1da9da4b44f2e9c0e', 'sqlFile path=procedures/note_gaps.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/place_to_time::pg_tasks

-- place_to_time: the time of a place in a queue that is in the order of time.
--
-- Called by  live_places, release_delayed_tasks, fire_schedules
-- Locks      nothing
-- Raises     nothing
--
-- What no timestamptz can say is before or after all of them. A body that becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.place_to_time(p_place bigint)
RETURNS timestamptz
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_place < -210866803200000000 THEN '-infinity'::timestamptz
  WHEN p_place >= 9000000000000000000 THEN 'infinity'::timestamptz
  ELSE '1970-01-01 00:00:00+00'::timestamptz + p_place * interval '1 microsecond'
END;

COMMENT ON FUNCTION long_task.place_to_time(bigint) IS
  'The time so many microseconds after 1970.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/place_to_time', 'pg_tasks', 'changelog.xml', NOW(), 49, '9:ab56a557f047d8a1581f1d3126a98ba9', 'sqlFile path=procedures/place_to_time.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/queue_gaps_of::pg_tasks

-- queue_gaps_of: what this session knows of the gaps of a queue.
--
-- Called by  known_spans, note_gaps, look_into_gaps
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.queue_gaps_of(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_gaps
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN NULLIF(current_setting(format('long_task.gaps_%s_%s', p_queue, replace(p_key::text, '-', '_')), true), '')::long_task.queue_gaps;
END
$$;

COMMENT ON FUNCTION long_task.queue_gaps_of(text, integer) IS
  'What this session knows of the gaps of a queue; null: it knows of none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/queue_gaps_of', 'pg_tasks', 'changelog.xml', NOW(), 50, '9:c798f526588d2a1592e24c2480732dcf', 'sqlFile path=procedures/queue_gaps_of.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/queue_spans::pg_tasks

-- queue_spans: the parts of a queue that have to be read, in their order.
--
-- Called by  pick_tasks, release_delayed_tasks, fire_schedules, seconds_to_next_due, note_gaps, is_told_of_room, leave_post
-- Locks      nothing
-- Raises     nothing
--
-- A body that becomes a part of the calling expression: mostly there are no gaps, and then nothing is called.
--
-- p_queue, p_key  as in live_places
CREATE OR REPLACE FUNCTION long_task.queue_spans(
  p_queue text,
  p_key   integer
)
RETURNS long_task.queue_span[]
LANGUAGE sql
STABLE
RETURN CASE
  WHEN pg_catalog.current_setting('long_task.gaps', true) <> '' THEN long_task.known_spans(p_queue, p_key)
  ELSE ARRAY[
    ROW(-2147483648, -9223372036854775808, 2147483647, 9223372036854775807)::long_task.queue_span
  ]
END;

COMMENT ON FUNCTION long_task.queue_spans(text, integer) IS
  'The parts of a queue between the gaps that this session knows of.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/queue_spans', 'pg_tasks', 'changelog.xml', NOW(), 51, '9:8deedcec4f5464487ced6e0c38205c3e', 'sqlFile path=procedures/queue_spans.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/time_to_place::pg_tasks

-- time_to_place: a time as a place in a queue that is in the order of time.
--
-- Called by  live_places, note_gaps, seconds_to_next_due
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.time_to_place(p_time timestamptz)
RETURNS bigint
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF isfinite(p_time) THEN
    RETURN LEAST(extract(epoch FROM p_time) * 1000000, 9223372036854775805); -- later than year 294246 is as good
  END IF;
  RETURN CASE WHEN p_time > '2000-01-01 00:00:00+00' THEN 9223372036854775806 ELSE -9223372036854775808 END;
END
$$;

COMMENT ON FUNCTION long_task.time_to_place(timestamptz) IS
  'Microseconds since 1970.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/time_to_place', 'pg_tasks', 'changelog.xml', NOW(), 52, '9:4eb97a4372dd5d55898d792fff32a3a7', 'sqlFile path=procedures/time_to_place.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/workflow_lock::pg_tasks

-- workflow_lock: the advisory lock of whoever lets a run begin, or go on, of a workflow whose runs come one at a time.
--
-- Called by  begin_next_run, resume_workflow
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.workflow_lock(p_workflow text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
RETURN hashtextextended('long_task.workflow ' || p_workflow, 0);

COMMENT ON FUNCTION long_task.workflow_lock(text) IS
  'Number of the advisory lock of a workflow whose runs come one at a time.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/workflow_lock', 'pg_tasks', 'changelog.xml', NOW(), 53, '9:9785d90ce7c43f48f97e5b718f4f3f73', 'sqlFile path=procedures/workflow_lock.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/quote_label::pg_tasks

-- quote_label: a text as a label in a drawing language, within its quotes.
--
-- Called by  workflow_graph
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.quote_label(
  p_text   text,
  p_format text
)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE p_format
  WHEN 'dot' THEN replace(replace(regexp_replace(p_text, '[[:cntrl:]]', ' ', 'g'), '\', '\\'), '"', '\"')
  ELSE replace(replace(replace(replace(
    regexp_replace(p_text, '[[:cntrl:]]', ' ', 'g'), '&', '&amp;'), '"', '&quot;'), '<', '&lt;'), '>', '&gt;')
END;

COMMENT ON FUNCTION long_task.quote_label(text, text) IS
  'A text as it stands between the quotes of a label of Graphviz (dot) or Mermaid.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/quote_label', 'pg_tasks', 'changelog.xml', NOW(), 54, '9:53ce6e39f5ae45b9654d24d3423da01d', 'sqlFile path=procedures/quote_label.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/is_met::pg_tasks

-- is_met: whether a task has ended in the way that a dependency needs.
--
-- Called by  settle_tasks, refresh_needs, settle_changed_task
-- Locks      nothing
-- Raises     nothing: a condition that cannot be evaluated does not hold
--
-- A task is over when its processes are: one that has written its own end may still be working.
-- A body that is parsed here, not at each call: its expression becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.is_met(
  p_on         text,
  p_condition  jsonpath,
  p_state_id   text,
  p_running_on integer,
  p_result     jsonb
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
RETURN CASE
  WHEN p_state_id NOT IN ('CS', 'CF', 'CC') OR p_running_on IS NOT NULL THEN NULL
  WHEN p_on <> 'end' AND p_on <> CASE p_state_id WHEN 'CS' THEN 'success' WHEN 'CF' THEN 'failure' ELSE 'cancel' END THEN false
  WHEN p_condition IS NULL THEN true
  ELSE COALESCE(p_result @@ p_condition, false)
END;

COMMENT ON FUNCTION long_task.is_met(text, jsonpath, text, integer, jsonb) IS
  'Whether a task in this state, with this result, meets a dependency; null: it has not ended.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/is_met', 'pg_tasks', 'changelog.xml', NOW(), 55, '9:d55d70921540bf68a55338359b7dbdde', 'sqlFile path=procedures/is_met.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/items_of_step::pg_tasks

-- items_of_step: the items that a step is fanned out over.
--
-- Called by  begin_run
-- Locks      nothing
-- Raises     LT014 bad workflow, if there is no array
--
-- Returns one row without place and value for a step that is not fanned out.
CREATE OR REPLACE FUNCTION long_task.items_of_step(
  p_fan_out jsonpath,
  p_params  jsonb
)
RETURNS TABLE (
  place integer,
  value jsonb
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_found   jsonb;
  -- Whether the path selects items by itself, with [*] or a filter; what is quoted are names.
  v_selects boolean := regexp_replace(p_fan_out::text, '"([^"\\]|\\.)*"', '', 'g') ~ '\[\*\]|\?';
BEGIN
  IF p_fan_out IS NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;
  v_found := jsonb_path_query_array(p_params, p_fan_out);
  -- $.files is the array itself, $.files[*] are its items.
  IF NOT v_selects AND jsonb_array_length(v_found) = 1 AND jsonb_typeof(v_found -> 0) = 'array' THEN
    v_found := v_found -> 0;
  ELSIF NOT v_selects AND jsonb_array_length(v_found) = 0 THEN
    PERFORM long_task.refuse('LT014', format('there is nothing at %s in the parameters of the run', p_fan_out),
      'Give start_workflow an array there; it may be empty.');
  END IF;
  RETURN QUERY
  SELECT (e.ordinality - 1)::integer, e.value
  FROM jsonb_array_elements(v_found) WITH ORDINALITY AS e(value, ordinality);
END
$$;

COMMENT ON FUNCTION long_task.items_of_step(jsonpath, jsonb) IS
  'The items that a step is fanned out over, with their places from 0; one empty row for a step that is not.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/items_of_step', 'pg_tasks', 'changelog.xml', NOW(), 56, '9:7e6d2485fde5ca07dfd4ed4cee77fb9f', 'sqlFile path=procedures/items_of_step.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/key_room::pg_tasks

-- key_room: how many more tasks with a key may be started.
--
-- Called by  pick_tasks and free_keys, which hold no key for longer than their transaction
-- Locks      the key (an advisory lock until the end of the transaction), if nobody else has it
-- Raises     nothing
--
-- Whoever starts tasks with a key, or lets those go on that wait for it, has this lock first and counts then: nothing that
-- is committed is missed, and nothing can come in between.
--
-- Returns null if another transaction has the lock.
CREATE OR REPLACE FUNCTION long_task.key_room(p_key text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
SET enable_bitmapscan = off
AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('long_task.concurrency_key ' || p_key, 0)) THEN
    RETURN NULL;
  END IF;
  RETURN COALESCE(
    (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_key), 1
  ) - (
    SELECT count(*)
    FROM long_task.task AS t
    WHERE t.concurrency_key = p_key
      AND t.running_on IS NOT NULL
  ) - (
    SELECT count(*)
    FROM long_task.deleted_attempt AS d
    WHERE d.concurrency_key = p_key
  );
END
$$;

COMMENT ON FUNCTION long_task.key_room(text) IS
  'How many more tasks with a concurrency_key may be started; null: another transaction is about to find out.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/key_room', 'pg_tasks', 'changelog.xml', NOW(), 57, '9:0864209b045d96ff7c5f0e1d6c1d1681', 'sqlFile path=procedures/key_room.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/leave_key::pg_tasks

-- leave_key: have a later sync look at the tasks once more that wait for a key.
--
-- Called by  free_keys, and the triggers of task and concurrency_limit
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody holds what is needed
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_key(
  p_key   text,
  p_held  boolean,
  p_again boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_key (concurrency_key, not_before)
  VALUES (p_key, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_key(text, boolean, boolean) IS
  'Have a node look at the tasks that wait for a key, in a transaction of its own.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/leave_key', 'pg_tasks', 'changelog.xml', NOW(), 58, '9:dbc9660d80bc33be4b7c361b3d324c0e', 'sqlFile path=procedures/leave_key.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/leave_workflow::pg_tasks

-- leave_workflow: have a later sync see whether a run of a workflow may begin.
--
-- Called by  add_run, begin_next_run, settle_workflows, tell_workflow, settle_changed_task
-- Locks      nothing
-- Raises     nothing
--
-- p_held  whether somebody is about to see to it himself
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_workflow(
  p_workflow text,
  p_held     boolean,
  p_again    boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_workflow (workflow, not_before)
  VALUES (p_workflow, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_workflow(text, boolean, boolean) IS
  'Have a node see whether a run of a workflow may begin, in a transaction of its own.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/leave_workflow', 'pg_tasks', 'changelog.xml', NOW(), 59, '9:7dd5f69bc48e11dcdbbb08b3dccad079', 'sqlFile path=procedures/leave_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/limit_workflow::pg_tasks

-- limit_workflow: the concurrency_key by which the tasks of a workflow are limited.
--
-- Called by  begin_run
-- Locks      the limit, if it has changed
-- Raises     LT014 bad workflow, if a step has a key of its own: a task is limited by one key
--
-- Returns null for a workflow without a limit.
CREATE OR REPLACE FUNCTION long_task.limit_workflow(
  p_workflow    text,
  p_version     integer,
  p_max_running integer
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_key  text := 'workflow ' || p_workflow;
  v_step text;
BEGIN
  IF p_max_running IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT s.name INTO v_step
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = p_version
    AND s.concurrency_key IS NOT NULL
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT014', format('step %s has a concurrency_key, and workflow %s has max_running', v_step, p_workflow),
      'A task is limited by one key: leave out one of them.');
  END IF;
  IF NOT EXISTS (
    SELECT
    FROM long_task.concurrency_limit AS c
    WHERE c.concurrency_key = v_key
      AND c.max_running = p_max_running
  ) THEN
    INSERT INTO long_task.concurrency_limit (concurrency_key, max_running)
    VALUES (v_key, p_max_running)
    ON CONFLICT (concurrency_key) DO UPDATE SET max_running = EXCLUDED.max_running;
  END IF;
  RETURN v_key;
END
$$;

COMMENT ON FUNCTION long_task.limit_workflow(text, integer, integer) IS
  'Write the limit of a workflow down. Returns the concurrency_key of its tasks; null: it has no limit.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/limit_workflow', 'pg_tasks', 'changelog.xml', NOW(), 60, '9:139ff940d91354b52b14d0ece4e261d3', 'sqlFile path=procedures/limit_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/lock_run::pg_tasks

-- lock_run: a run that a person wants to do something about, and its tasks.
--
-- Called by  resume_workflow, cancel_workflow
-- Locks      the row of the run FOR UPDATE, then its tasks FOR UPDATE in the order of their ids
-- Raises     LT006 no such run
CREATE OR REPLACE FUNCTION long_task.lock_run(p_run_id bigint)
RETURNS long_task.workflow_run
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run long_task.workflow_run;
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  SELECT r.* INTO v_run
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE;
  PERFORM
  FROM long_task.task AS t
  WHERE t.run_id = p_run_id
  ORDER BY t.id
  FOR UPDATE;
  RETURN v_run;
END
$$;

COMMENT ON FUNCTION long_task.lock_run(bigint) IS
  'Lock a run of a workflow and all its tasks. Returns the run.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/lock_run', 'pg_tasks', 'changelog.xml', NOW(), 61, '9:3670be77f746ec2f2830dd6875755afb', 'sqlFile path=procedures/lock_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/new_workflow_version::pg_tasks

-- new_workflow_version: copy the latest version of a workflow, to be changed.
--
-- Called by  people
-- Locks      the latest version FOR UPDATE, so that two do not get the same number
-- Raises     LT006 no such workflow
CREATE OR REPLACE FUNCTION long_task.new_workflow_version(p_workflow text)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_old integer;
  v_new integer;
BEGIN
  SELECT w.version INTO v_old
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
  ORDER BY w.version DESC
  LIMIT 1
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no workflow %s', COALESCE(p_workflow, 'null')),
      'The table long_task.workflow has all of them.');
  END IF;
  -- After the lock: somebody else may have made one meanwhile.
  v_old := (SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = p_workflow);
  INSERT INTO long_task.workflow (name, version, description, one_at_a_time, max_running)
  SELECT w.name, w.version + 1, w.description, w.one_at_a_time, w.max_running
  FROM long_task.workflow AS w
  WHERE w.name = p_workflow
    AND w.version = v_old
  RETURNING version INTO v_new;
  INSERT INTO long_task.workflow_step (
    workflow, version, name, command, params, env, stdin, cwd, group_id, worker_id, priority, timeout, kill_grace,
    max_attempts, retry_delay, concurrency_key, needs, unmet, fan_out
  )
  SELECT
    s.workflow, v_new, s.name, s.command, s.params, s.env, s.stdin, s.cwd, s.group_id, s.worker_id, s.priority,
    s.timeout, s.kill_grace, s.max_attempts, s.retry_delay, s.concurrency_key, s.needs, s.unmet, s.fan_out
  FROM long_task.workflow_step AS s
  WHERE s.workflow = p_workflow
    AND s.version = v_old;
  INSERT INTO long_task.workflow_edge (workflow, version, step, needs_step, "on", condition, enabled, pass, each)
  SELECT e.workflow, v_new, e.step, e.needs_step, e."on", e.condition, e.enabled, e.pass, e.each
  FROM long_task.workflow_edge AS e
  WHERE e.workflow = p_workflow
    AND e.version = v_old;
  RETURN v_new;
END
$$;

COMMENT ON FUNCTION long_task.new_workflow_version(text) IS
  'Copy the latest version of a workflow. Returns the number of the copy, which may be changed until it is started.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/new_workflow_version', 'pg_tasks', 'changelog.xml', NOW(), 62, '9:6a0c0a301a129ef2e6c809cd9a810d5c', 'sqlFile path=procedures/new_workflow_version.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/plain_text::pg_tasks

-- plain_text: a JSON value as a program wants to read it.
--
-- Called by  results_of_needs, fill_in
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call.
CREATE OR REPLACE FUNCTION long_task.plain_text(p_value jsonb)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN p_value #>> '{}';

COMMENT ON FUNCTION long_task.plain_text(jsonb) IS
  'A string without its quotes, anything else as JSON; null for null.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/plain_text', 'pg_tasks', 'changelog.xml', NOW(), 63, '9:41acf164affe7142bc4f0644a4cc7d72', 'sqlFile path=procedures/plain_text.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/posts::pg_tasks

-- posts: how many idle nodes of a group can be told of tasks that are ready.
--
-- Called by  take_post, leave_post
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.posts()
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN 64;

COMMENT ON FUNCTION long_task.posts() IS
  'How many posts a group has, at which its idle nodes stand.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/posts', 'pg_tasks', 'changelog.xml', NOW(), 64, '9:e587e17717184b2892ea8924bb74be0b', 'sqlFile path=procedures/posts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/sentries::pg_tasks

-- sentries: how many idle nodes of a group are told when there is something for one of them to do.
--
-- Called by  announce_ready, first_at_post, take_post, leave_post, heeded_call
-- Locks      nothing
-- Raises     nothing
--
-- More than one, because a node that does not answer is still taken for an idle one until its connection is closed.
CREATE OR REPLACE FUNCTION long_task.sentries()
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN 2;

COMMENT ON FUNCTION long_task.sentries() IS
  'How many idle nodes of a group are told of a task that is ready.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/sentries', 'pg_tasks', 'changelog.xml', NOW(), 65, '9:094830d01b5e3a67c7d424a377841b2a', 'sqlFile path=procedures/sentries.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/announce::pg_tasks

-- announce: wake the nodes that may have something to do about a waiting task or a schedule.
--
-- Called by  the triggers of task, and procedures that have changed what others wait for. For a task that any node
--            of a group may start: announce_ready.
-- Locks      nothing until commit, then PostgreSQL's own queue of notifications.
-- Raises     nothing
--
-- A notification is a hint that shortens a sleep. It carries nothing: what to do follows from the
-- rows, and a node that hears nothing finds them at its next call.
CREATE OR REPLACE FUNCTION long_task.announce(
  p_group_id  integer,
  p_worker_id integer
)
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pg_notify(
    CASE
      WHEN p_worker_id IS NOT NULL THEN 'long_task_worker_' || p_worker_id
      WHEN p_group_id IS NOT NULL THEN 'long_task_group_' || p_group_id
      ELSE 'long_task_schedule'
    END,
    ''
  )
$$;

COMMENT ON FUNCTION long_task.announce(integer, integer) IS
  'Wake the nodes of a group; the node of one worker if a worker is given; all nodes, for the sake of schedules, if neither is.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/announce', 'pg_tasks', 'changelog.xml', NOW(), 66, '9:cf2cbb3e99cd1c4728e36a7372f81f45', 'sqlFile path=procedures/announce.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/announce_ready::pg_tasks

-- announce_ready: wake some of the nodes of a group, if any is idle, for a task that is ready or delayed.
--
-- Called by  announce_tasks, move_task, finish_attempts
-- Locks      the first posts (advisory locks, shared, until the end of the transaction) where nobody stands;
--            otherwise PostgreSQL's own queue of notifications, at commit.
-- Raises     nothing
--
-- A transaction that notifies takes a lock of the whole database at its commit, and wakes a process for each that
-- listens: far dearer than the INSERT itself. So a statement that is a transaction of its own notifies only if an idle
-- node stands at one of the first eight posts of its group (take_post). If there is none, it holds the posts until it is
-- committed. A node that would stand there cannot before, and looks at the queue once more when it does: so either it
-- sees the task, or the task sees it.
-- In a transaction of several statements nobody knows how long it will be open, and posts cannot be held for so long:
-- that one notifies. Who is idle at its commit, hears it; of those who stand behind the sentries, one, if no sentry is there now,
-- by its number and as a sentry, which it may have become until then.
-- So does a statement about very many groups, for all but the first: the server has room for so many locks only. How many groups it
-- holds posts of, and of which last, is in a setting of the transaction (long_task.posts_held).
--
-- p_count  how many tasks there are: of many, all idle nodes are told.
CREATE OR REPLACE FUNCTION long_task.announce_ready(
  p_group_id integer,
  p_count    bigint DEFAULT 1
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_many    CONSTANT integer := 10;
  v_groups  CONSTANT integer := 20;
  v_held    CONSTANT text := NULLIF(current_setting('long_task.posts_held', true), '');
  v_several boolean := statement_timestamp() <> transaction_timestamp();
  v_first   integer;
  v_told    boolean := true;
BEGIN
  IF v_held IS NOT NULL AND split_part(v_held, ' ', 2) <> p_group_id::text THEN
    v_several := v_several OR split_part(v_held, ' ', 1)::integer >= v_groups;
  END IF;
  IF v_several THEN
    BEGIN
      v_first := long_task.first_at_post(p_group_id);
      RAISE no_data_found; -- which lets go of the posts that nobody stands at
    EXCEPTION
      WHEN no_data_found THEN
        NULL;
    END;
  ELSE
    v_first := long_task.first_at_post(p_group_id);
    IF (v_first > 0) IS NOT FALSE AND (split_part(v_held, ' ', 2) = p_group_id::text) IS NOT TRUE THEN
      PERFORM set_config(
        'long_task.posts_held',
        format('%s %s', COALESCE(split_part(v_held, ' ', 1)::integer, 0) + 1, p_group_id),
        true
      );
    END IF;
    -- Nodes behind a pooler have no session that could stand at a post. Taken and let go in one expression, in which
    -- nobody can cancel the statement: it would stay with the session.
    IF v_first IS NULL THEN
      v_told := NOT CASE
        WHEN pg_try_advisory_lock(hashtext('long_task.ear'), p_group_id)
        THEN pg_advisory_unlock(hashtext('long_task.ear'), p_group_id)
        ELSE false
      END;
    END IF;
  END IF;
  IF v_told THEN
    PERFORM pg_notify('long_task_group_' || p_group_id, CASE
      WHEN p_count > v_many THEN ''
      WHEN v_first >= long_task.sentries() THEN v_first::text
      ELSE 'sentries'
    END);
    IF v_several AND v_first >= long_task.sentries() THEN
      PERFORM pg_notify('long_task_group_' || p_group_id, 'sentries');
    END IF;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.announce_ready(integer, bigint) IS
  'Wake some of the idle nodes of a group, if there are any.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/announce_ready', 'pg_tasks', 'changelog.xml', NOW(), 67, '9:069090bc452dabbd2dfe371990da5984', 'sqlFile path=procedures/announce_ready.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/announce_schedule::pg_tasks

-- announce_schedule: wake all nodes for a start that is earlier than those they sleep for, or is soon.
--
-- Called by  triggers on task at COMMIT, for starts that were written or brought forward.
-- Locks      nothing until commit, then PostgreSQL's own queue of notifications.
-- Raises     nothing
--
-- Any node fires any schedule, also one without a free slot, and sleeps until the first start of all. So an
-- earlier one is news, and so is one that comes soon, because the start that nodes sleep for may be fired while
-- this one is being committed. At COMMIT, and not at the statement, because a transaction may be open for long.
CREATE OR REPLACE FUNCTION long_task.announce_schedule()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  IF NEW.next_start < long_task.clock() + interval '1 minute' OR NOT EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.next_start <= NEW.next_start
      AND t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.id <> NEW.id
  ) THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_schedule() IS
  'Trigger: wake all nodes if a start by schedule is the first of all, or soon.';

REVOKE ALL ON FUNCTION long_task.announce_schedule() FROM PUBLIC;

DROP TRIGGER IF EXISTS announce_schedule ON long_task.task;
CREATE CONSTRAINT TRIGGER announce_schedule
AFTER INSERT ON long_task.task
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (NEW.next_start IS NOT NULL AND NEW.shed_enabled)
EXECUTE FUNCTION long_task.announce_schedule();

-- A schedule that is fired goes to a later start, which is news to nobody. Of one that has waited only the
-- firing writes scheduled_for.
DROP TRIGGER IF EXISTS announce_changed_schedule ON long_task.task;
CREATE CONSTRAINT TRIGGER announce_changed_schedule
AFTER UPDATE OF
  next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, overlap, until
ON long_task.task
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW
WHEN (
  NEW.next_start IS NOT NULL
  AND NEW.shed_enabled
  AND NEW.shed_waiting IS NULL
  AND (
    OLD.next_start IS NULL
    OR NEW.next_start < OLD.next_start
    OR NOT OLD.shed_enabled
    OR OLD.shed_waiting AND NEW.scheduled_for IS NOT DISTINCT FROM OLD.scheduled_for
  )
)
EXECUTE FUNCTION long_task.announce_schedule();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/announce_schedule', 'pg_tasks', 'changelog.xml', NOW(), 68, '9:129284b25dffd4e5dc0eda976c5cadd9', 'sqlFile path=procedures/announce_schedule.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/announce_tasks::pg_tasks

-- announce_tasks: wake the nodes for which an INSERT has left something to do.
--
-- Called by  trigger announce_tasks on task, once after each INSERT statement.
-- Locks      as announce_ready
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.announce_tasks()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_first  integer;
  v_last   integer;
  v_count  bigint;
  v_pinned bigint;
BEGIN
  -- Grouping costs as much as all the rest, and mostly there is one group.
  SELECT min(i.group_id), max(i.group_id), count(*), count(i.worker_id)
  INTO v_first, v_last, v_count, v_pinned
  FROM inserted AS i
  WHERE i.state_id IN ('AW', 'AD');
  IF v_count = 0 THEN
    RETURN NULL;
  ELSIF v_first = v_last AND v_pinned = 0 THEN
    PERFORM long_task.announce_ready(v_first, v_count);
    RETURN NULL;
  END IF;
  PERFORM CASE
    WHEN n.worker_id IS NULL THEN long_task.announce_ready(n.group_id, n.count)
    ELSE long_task.announce(n.group_id, n.worker_id)
  END
  FROM (
    SELECT
      i.group_id,
      i.worker_id,
      count(*) AS count
    FROM inserted AS i
    WHERE i.state_id IN ('AW', 'AD')
    GROUP BY i.group_id, i.worker_id
  ) AS n;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.announce_tasks() IS
  'Trigger: wake the nodes that inserted tasks are waiting for.';

CREATE OR REPLACE TRIGGER announce_tasks
AFTER INSERT ON long_task.task
REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.announce_tasks();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/announce_tasks', 'pg_tasks', 'changelog.xml', NOW(), 69, '9:f9b63f0d054e60bab9112595f43da30b', 'sqlFile path=procedures/announce_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/assert_attempt::pg_tasks

-- assert_attempt: let a transaction of a task's own process commit only if its attempt is not over.
--
-- Called by  programs that run as tasks, as the last statement before COMMIT.
-- Locks      the task row FOR SHARE until the transaction ends: nobody can declare the attempt over, or
--            cancel it, in between. What comes later in the transaction keeps people waiting.
-- Raises     LT002 the attempt is over, or is being cancelled
--
-- A process that was cut off and believes that it still runs cannot be kept from going on for a moment;
-- its writes can be kept from being committed. The attempt is the fencing token.
CREATE OR REPLACE FUNCTION long_task.assert_attempt(
  p_task_id bigint,
  p_attempt integer
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_state_id text;
  v_attempt  integer;
  v_running  boolean;
BEGIN
  SELECT t.state_id, t.attempt, t.running_on IS NOT NULL
  INTO v_state_id, v_attempt, v_running
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR SHARE;
  IF v_running AND v_attempt = p_attempt AND v_state_id <> 'AC' THEN
    RETURN;
  END IF;
  PERFORM long_task.refuse('LT002',
    format('attempt %s of task %s is over', COALESCE(p_attempt::text, 'null'), COALESCE(p_task_id::text, 'null')),
    'Roll back and exit: whatever this process does now counts for nothing.',
    CASE
      WHEN v_state_id IS NULL THEN 'There is no such task.'
      ELSE format('The task is %s, attempt %s%s.', v_state_id, v_attempt,
        CASE WHEN v_running THEN '' ELSE ', with no process' END)
    END);
END
$$;

COMMENT ON FUNCTION long_task.assert_attempt(bigint, integer) IS
  'For a task''s own transactions, just before COMMIT: raises LT002 if this attempt is over. The attempt is in PG_TASKS_ATTEMPT.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/assert_attempt', 'pg_tasks', 'changelog.xml', NOW(), 70, '9:6a2469466f173c2582d17db84015cbda', 'sqlFile path=procedures/assert_attempt.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/assert_run::pg_tasks

-- assert_run: refuse a run of a workflow that there is not.
--
-- Called by  lock_run, workflow_recovery_point, workflow_graph
-- Locks      nothing
-- Raises     LT006 no such run
CREATE OR REPLACE FUNCTION long_task.assert_run(p_run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.workflow_run AS r WHERE r.id = p_run_id) THEN
    PERFORM long_task.refuse('LT006', format('there is no run %s', COALESCE(p_run_id::text, 'null')),
      'The view long_task.workflow_status has all of them.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.assert_run(bigint) IS
  'Refuse a run of a workflow that there is not.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/assert_run', 'pg_tasks', 'changelog.xml', NOW(), 71, '9:e45bdab47fe5096983f108deebe8b71d', 'sqlFile path=procedures/assert_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/attend_attempts::pg_tasks

-- attend_attempts: the processes of a worker that must not just go on.
--
-- Called by  sync
-- Locks      nothing
-- Raises     nothing
--
-- The order is what only the index of such processes has: while the table is small, the index of all
-- processes of the worker looks as good, and a plan is kept for as long as the node is connected.
--
-- The same answer comes at each call until the process is gone: what a node has not heard, or has heard
-- twice, does no harm.
CREATE OR REPLACE FUNCTION long_task.attend_attempts(p_worker_id integer)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_array(a.task_id, a.attempt, a.what))
    FROM (
      (
        SELECT
          t.id AS task_id,
          t.attempt,
          CASE t.state_id
            WHEN 'AS' THEN 'stop'
            WHEN 'AC' THEN 'kill'
            ELSE 'leave'
          END AS what
        FROM long_task.task AS t
        WHERE t.running_on = p_worker_id
          AND t.state_id <> 'AE'
        ORDER BY t.running_on, t.id
      )
      UNION ALL
      SELECT
        d.task_id,
        d.attempt,
        'kill'
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.attend_attempts(integer) IS
  'Processes of a worker to be stopped, killed, or given a last while to leave, as [task id, attempt, what]; null if there are none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/attend_attempts', 'pg_tasks', 'changelog.xml', NOW(), 72, '9:f528d933168b6c3b2ab3a8f3965c873e', 'sqlFile path=procedures/attend_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cancel_worker_tasks::pg_tasks

-- cancel_worker_tasks: cancel everything that a worker is executing.
--
-- Called by  catch_up, while the worker's stop code is 3.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in ascending id; what a person holds is found at
--            the next call.
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.cancel_worker_tasks(p_worker_id integer)
RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE long_task.task AS t
  SET state_id = 'AC'
  WHERE t.id = ANY (ARRAY(
    SELECT e.id
    FROM long_task.task AS e
    WHERE e.running_on = p_worker_id
      AND e.state_id IN ('AE', 'AS')
    ORDER BY e.id
    FOR NO KEY UPDATE SKIP LOCKED
  ))
$$;

COMMENT ON FUNCTION long_task.cancel_worker_tasks(integer) IS
  'Cancel everything that a worker is executing.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cancel_worker_tasks', 'pg_tasks', 'changelog.xml', NOW(), 73, '9:5e82dd5eb79a58f0db8b8700a8fb738f', 'sqlFile path=procedures/cancel_worker_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/catch_up::pg_tasks

-- catch_up: do for a node what is due beside reports and claims: settle what was left, fire schedules, release delayed tasks.
--
-- Called by  sync, unless survey_work has found that there is nothing of it
-- Locks      as those it calls
-- Raises     nothing
--
-- Each does a little at once, so that a backlog holds up neither reports nor renewals.
--
-- stop     the worker's stop code
-- wake_in  seconds until there is more of it to do; null: nothing is known
CREATE OR REPLACE FUNCTION long_task.catch_up(
  p_worker_id integer,
  p_group_id  integer,
  OUT stop    smallint,
  OUT wake_in double precision
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_batch CONSTANT integer := 1000;
  v_due   CONSTANT integer := 200;
BEGIN
  -- A run begins in a call of its own, after the reports, which sees what others report at this moment.
  IF EXISTS (SELECT FROM long_task.unsettled_workflow AS u WHERE u.not_before <= long_task.clock()) THEN
    wake_in := 0;
  END IF;
  stop := COALESCE((SELECT s.stop FROM long_task.worker_stop AS s WHERE s.worker_id = p_worker_id), 0::smallint);
  IF stop = 3 THEN
    PERFORM long_task.cancel_worker_tasks(p_worker_id);
  END IF;
  IF EXISTS (SELECT FROM long_task.unsettled_task) THEN
    wake_in := LEAST(wake_in, long_task.settle_left(v_batch));
  END IF;
  IF EXISTS (SELECT FROM long_task.unsettled_key) THEN
    wake_in := LEAST(wake_in, long_task.settle_keys(v_batch));
  END IF;
  wake_in := LEAST(wake_in, long_task.fire_schedules(v_due));
  IF long_task.release_delayed_tasks(p_worker_id, p_group_id, v_batch) = v_batch THEN
    wake_in := 0;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.catch_up(integer, integer) IS
  'For nodes: settle what was left, fire schedules, release delayed tasks. Returns the worker''s stop code, and when to go on.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/catch_up', 'pg_tasks', 'changelog.xml', NOW(), 74, '9:cc7d40f292a55c51e398795f6f411e49', 'sqlFile path=procedures/catch_up.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/change_retention::pg_tasks

-- change_retention: have a policy seen to that was written.
--
-- Called by  triggers on retention and history_retention, after each statement.
-- Locks      the row of maintenance
-- Raises     nothing
--
-- What is remembered of runs was by the policies of before. Nobody is woken: a node asks with its next renewal.
-- SECURITY DEFINER, because whoever may write a policy need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.change_retention()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_NAME = 'retention' THEN
    DELETE FROM long_task.run_kept;
  END IF;
  UPDATE long_task.maintenance AS m
  SET next_at = LEAST(m.next_at, long_task.clock());
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.change_retention() IS
  'Trigger: have a policy of retention seen to that was written.';

REVOKE ALL ON FUNCTION long_task.change_retention() FROM PUBLIC;

CREATE OR REPLACE TRIGGER change_retention
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON long_task.retention
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.change_retention();

CREATE OR REPLACE TRIGGER change_history_retention
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON long_task.history_retention
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.change_retention();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/change_retention', 'pg_tasks', 'changelog.xml', NOW(), 75, '9:b6de1ef4ce6ca00f9adfc3e387f76139', 'sqlFile path=procedures/change_retention.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_dependency::pg_tasks

-- check_dependency: refuse a dependency that makes no sense.
--
-- Called by  triggers on task_dependency, before INSERT and before UPDATE of what people write.
-- Locks      nothing
-- Raises     LT004 bad value, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_dependency()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.task_id <> OLD.task_id OR NEW.needs_task_id <> OLD.needs_task_id) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('the dependency of task %s on task %s cannot become another', OLD.task_id, OLD.needs_task_id),
      HINT = 'Delete it, and insert the other.';
  END IF;
  IF NEW.task_id = NEW.needs_task_id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('task %s cannot wait for itself', NEW.task_id),
      HINT = 'Name another task.';
  END IF;
  PERFORM long_task.check_edge(NEW."on", NEW.condition, NEW.pass);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_dependency() IS
  'Trigger: refuse a dependency that makes no sense.';

CREATE OR REPLACE TRIGGER check_dependency
BEFORE INSERT OR UPDATE OF task_id, needs_task_id, "on", condition, pass ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.check_dependency();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_dependency', 'pg_tasks', 'changelog.xml', NOW(), 76, '9:543b3d39c77c28b5e08aef2ba20436be', 'sqlFile path=procedures/check_dependency.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_task::pg_tasks

-- check_task: refuse limits that make no sense, and columns that the system has to write.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT004 bad value
CREATE OR REPLACE FUNCTION long_task.check_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_system  text;
BEGIN
  -- History and fences hang on these. Procedures that write some do not come here.
  IF TG_OP = 'UPDATE' THEN
    v_system := CASE
      WHEN NEW.attempt <> OLD.attempt THEN 'attempt'
      WHEN NEW.base_attempt <> OLD.base_attempt THEN 'base_attempt'
      WHEN NEW.pinned <> OLD.pinned THEN 'pinned'
      WHEN NEW.queued_by <> OLD.queued_by THEN 'queued_by'
      WHEN NEW.ready_seq <> OLD.ready_seq THEN 'ready_seq'
      WHEN NEW.created <> OLD.created THEN 'created'
      WHEN NEW.shed_anchor IS DISTINCT FROM OLD.shed_anchor THEN 'shed_anchor'
      WHEN NEW.shed_waiting IS DISTINCT FROM OLD.shed_waiting THEN 'shed_waiting'
      WHEN NEW.shed_error IS DISTINCT FROM OLD.shed_error THEN 'shed_error'
      WHEN NEW.cron_fields IS DISTINCT FROM OLD.cron_fields THEN 'cron_fields'
      WHEN NEW.scheduled_for IS DISTINCT FROM OLD.scheduled_for THEN 'scheduled_for'
      WHEN NEW.run_queued_by IS DISTINCT FROM OLD.run_queued_by THEN 'run_queued_by'
      WHEN NEW.run_scheduled_for IS DISTINCT FROM OLD.run_scheduled_for THEN 'run_scheduled_for'
      WHEN NEW.wants_key <> OLD.wants_key THEN 'wants_key'
    END;
    IF v_system IS NOT NULL THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('%s of task %s is written by the system', v_system, OLD.id),
        HINT = 'Leave this column out of the UPDATE.';
    END IF;
  END IF;
  -- The seconds are asked for too, because the node counts in them: of -1 year 361 days there are less than
  -- none, though it compares as a day.
  IF NEW.timeout <= interval '0' OR extract(epoch FROM NEW.timeout) <= 0 OR NEW.timeout > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('timeout %s is not between 0 and %s', NEW.timeout, v_longest),
      HINT = 'Give an interval such as ''5 minutes'', or null for no limit.';
  END IF;
  IF NEW.kill_grace < interval '0' OR extract(epoch FROM NEW.kill_grace) < 0 OR NEW.kill_grace > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('kill_grace %s is not between 0 and %s', NEW.kill_grace, v_longest),
      HINT = 'Give an interval such as ''10 seconds'', or null for the node''s setting.';
  END IF;
  IF NEW.retry_delay < interval '0' OR extract(epoch FROM NEW.retry_delay) < 0 OR NEW.retry_delay > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('retry_delay %s is not between 0 and %s', NEW.retry_delay, v_longest),
      HINT = 'Give an interval such as ''30 seconds''.';
  END IF;
  IF NEW.max_attempts < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('max_attempts %s is less than 1', NEW.max_attempts),
      HINT = 'One attempt is the least there is; 3 means two retries.';
  END IF;
  IF NEW.progress NOT BETWEEN 0 AND 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('progress %s is not between 0 and 1', NEW.progress),
      HINT = 'Half done is 0.5.';
  END IF;
  IF octet_length(NEW.concurrency_key) NOT BETWEEN 1 AND 1000 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of %s bytes is not between 1 and 1000 bytes long', octet_length(NEW.concurrency_key)),
      HINT = 'Give a short name, or null for no limit.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task() IS
  'Trigger: refuse limits that make no sense, and columns that the system writes.';

-- Each INSERT parses and compiles this anew, at the cost of a call of the function for every 500 characters or so. So
-- what is not there, or as by default, passes; the rest is for the function. (The text, because -1 year 360 days 10
-- seconds compare as ten.)
CREATE OR REPLACE TRIGGER check_task
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.timeout IS NOT NULL
  OR NEW.kill_grace IS NOT NULL
  OR NEW.retry_delay::text <> '00:00:10'
  OR NEW.max_attempts <> 1
  OR NEW.progress IS NOT NULL
  OR NEW.concurrency_key IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task();

CREATE OR REPLACE TRIGGER check_changed_task
BEFORE UPDATE OF
  timeout, kill_grace, retry_delay, max_attempts, progress, concurrency_key,
  attempt, base_attempt, pinned, queued_by, ready_seq, created, shed_anchor, shed_waiting, shed_error, cron_fields,
  scheduled_for, run_queued_by, run_scheduled_for, wants_key
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_task', 'pg_tasks', 'changelog.xml', NOW(), 77, '9:0382a92206e0dbf99f2d5bb8f911c0bc', 'sqlFile path=procedures/check_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_task_input::pg_tasks

-- check_task_input: refuse a task whose program could never be started as the row is written.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT004 bad value, LT005 bad command
CREATE OR REPLACE FUNCTION long_task.check_task_input()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- What a node is handed when it starts a task: see claim_tasks. PATH_MAX of Linux is 4096.
  v_stdin_limit CONSTANT integer := 16777216;
  v_limit       CONSTANT integer := 1048576;
  v_cwd_limit   CONSTANT integer := 4096;
  v_name        text;
  v_type        text;
BEGIN
  IF octet_length(NEW.stdin) > v_stdin_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('stdin of %s bytes is longer than %s', octet_length(NEW.stdin), v_stdin_limit),
      HINT = 'Put it into a file or a table, where the task can read it.';
  END IF;
  IF octet_length(NEW.params::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('params of %s bytes is longer than %s', octet_length(NEW.params::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF octet_length(NEW.env::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env of %s bytes is longer than %s', octet_length(NEW.env::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF NEW.cwd = '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'cwd is empty',
      HINT = 'Give a directory, or null for the root that the node is configured with.';
  END IF;
  IF octet_length(NEW.cwd) > v_cwd_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('cwd of %s bytes is longer than %s', octet_length(NEW.cwd), v_cwd_limit),
      HINT = 'No path can be longer.';
  END IF;
  IF octet_length(NEW.command::text) > v_limit THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command of %s bytes is longer than %s', octet_length(NEW.command::text), v_limit),
      HINT = 'Put it into a file or a table, where the task can read it, or into stdin.';
  END IF;
  IF jsonb_typeof(NEW.env) <> 'object' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env is %s, not an object', jsonb_typeof(NEW.env)),
      HINT = 'Give an object of strings such as {"LANG": "C"}.';
  END IF;
  -- The value is not shown: what is in an environment may be a secret.
  SELECT e.key, jsonb_typeof(e.value) INTO v_name, v_type
  FROM jsonb_each(NEW.env) AS e
  WHERE jsonb_typeof(e.value) <> 'string'
     OR e.key = ''
     OR strpos(e.key, '=') > 0;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('env has a bad entry %s, of type %s', quote_literal(v_name), v_type),
      HINT = 'Names are not empty and have no "="; values are strings.';
  END IF;
  -- A draft may be unfinished, unless a schedule is to copy it. What else than AW is asked of a draft is
  -- refused by move_task, which knows the better reason.
  IF (CASE
    WHEN NEW.state_id = 'DR' THEN NEW.shed_clone AND (NEW.next_start IS NOT NULL OR NEW.cron IS NOT NULL)
    ELSE TG_OP = 'INSERT' OR OLD.state_id <> 'DR' OR NEW.state_id = 'AW'
  END) AND NEW.workflow IS NULL AND (
    NEW.command IS NULL
    OR array_ndims(NEW.command) IS DISTINCT FROM 1
    OR array_lower(NEW.command, 1) <> 1
    OR array_position(NEW.command, NULL) IS NOT NULL
    OR NEW.command[1] = ''
  ) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT005',
      MESSAGE = format('command %s cannot be run', COALESCE(quote_literal(NEW.command::text), 'null')),
      HINT = 'Give a list of strings whose first element names a program, such as ''{ping,-c,1,127.0.0.1}''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_input() IS
  'Trigger: refuse a task whose program could never be started as the row is written.';

-- As short as that of check_task, and for the same reason. A thousand bytes cannot be a megabyte of text, compressed or
-- not. Where there is an element 1 that is not empty, there is one dimension; a draft without is let pass by the function.
CREATE OR REPLACE TRIGGER check_task_input
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.env IS NOT NULL
  OR NEW.params IS NOT NULL
  OR NEW.stdin IS NOT NULL
  OR NEW.cwd IS NOT NULL
  OR pg_column_size(NEW.command) > 1000
  OR (NEW.command[1] <> '') IS NOT TRUE
  OR array_lower(NEW.command, 1) <> 1
  OR array_position(NEW.command, NULL::text) IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_input();

CREATE OR REPLACE TRIGGER check_changed_task_input
BEFORE UPDATE OF
  state_id, command, params, env, stdin, cwd, shed_clone, next_start, cron
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_input();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_task_input', 'pg_tasks', 'changelog.xml', NOW(), 78, '9:d7419ee90e2d3d96686dc707f70b30e9', 'sqlFile path=procedures/check_task_input.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_task_policy::pg_tasks

-- check_task_policy: refuse rules for missed and overlapping starts, and for dependencies, that make no sense.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule, LT012 bad dependency
CREATE OR REPLACE FUNCTION long_task.check_task_policy()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest  CONSTANT interval := interval '100 years';
  v_shortest CONSTANT interval := interval '1 second';
BEGIN
  IF NEW.missed NOT IN ('run once', 'run each', 'skip') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed %s is not known', quote_literal(NEW.missed)),
      HINT = 'Give one of ''run once'' (the same as null), ''run each'', ''skip''.';
  END IF;
  IF NEW.overlap NOT IN ('skip', 'clone', 'queue one') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('overlap %s is not known', quote_literal(NEW.overlap)),
      HINT = 'Give one of ''skip'', ''clone'', ''queue one'', or null.';
  END IF;
  IF NEW.missed = 'run each' AND NEW.overlap <> 'clone' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed ''run each'' and overlap %s exclude each other', quote_literal(NEW.overlap)),
      HINT = 'Leave overlap null: each start then waits for the one before it.';
  END IF;
  IF NEW.shed_clone AND NEW.overlap = 'queue one' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'shed_clone and overlap ''queue one'' exclude each other',
      HINT = 'Leave shed_clone false: the task itself is queued again, and task_run has a row for each run.';
  END IF;
  IF NEW.missed_after < v_shortest OR extract(epoch FROM NEW.missed_after) < 1 OR NEW.missed_after > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('missed_after %s is not between %s and %s', NEW.missed_after, v_shortest, v_longest),
      HINT = 'Give an interval such as ''10 minutes'', or null. No start is made at the very moment.';
  END IF;
  IF NEW.jitter < interval '0' OR extract(epoch FROM NEW.jitter) < 0 OR NEW.jitter > v_longest THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('jitter %s is not between 0 and %s', NEW.jitter, v_longest),
      HINT = 'Give an interval such as ''30 seconds'', or null.';
  END IF;
  IF NEW.needs NOT IN ('all', 'any') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('needs %s is not known', quote_literal(NEW.needs)),
      HINT = 'Give ''all'' (the same as null) or ''any''.';
  END IF;
  IF NEW.unmet NOT IN ('cancel', 'start', 'wait') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT012',
      MESSAGE = format('unmet %s is not known', quote_literal(NEW.unmet)),
      HINT = 'Give one of ''cancel'' (the same as null), ''start'', ''wait''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_policy() IS
  'Trigger: refuse rules for missed and overlapping starts, and for dependencies, that make no sense.';

CREATE OR REPLACE TRIGGER check_task_policy
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.missed IS NOT NULL
  OR NEW.missed_after IS NOT NULL
  OR NEW.overlap IS NOT NULL
  OR NEW.jitter IS NOT NULL
  OR NEW.needs IS NOT NULL
  OR NEW.unmet IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_policy();

CREATE OR REPLACE TRIGGER check_changed_task_policy
BEFORE UPDATE OF
  missed, missed_after, overlap, jitter, shed_clone, needs, unmet
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_policy();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_task_policy', 'pg_tasks', 'changelog.xml', NOW(), 79, '9:632c7606c759f4a5879e14f027af1ce5', 'sqlFile path=procedures/check_task_policy.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/check_task_schedule::pg_tasks

-- check_task_schedule: refuse a schedule that makes no sense.
--
-- Called by  triggers on task, before INSERT and before UPDATE of the columns checked. Their WHEN lets
--            plain rows, and the writes of the nodes' procedures, pass without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule
CREATE OR REPLACE FUNCTION long_task.check_task_schedule()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_longest CONSTANT interval := interval '100 years';
  v_from    CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_to      CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
  v_unit    interval;
BEGIN
  IF NEW.shed_period_id NOT IN ('SEC', 'MIN', 'HOU', 'DAY', 'WEE', 'MON') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_id %s is not known', quote_literal(NEW.shed_period_id)),
      HINT = 'Give one of SEC, MIN, HOU, DAY, WEE, MON.';
  END IF;
  IF NEW.shed_period_count < 1 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('shed_period_count %s is less than 1', NEW.shed_period_count),
      HINT = 'Give the number of units from one start to the next.';
  END IF;
  v_unit := CASE NEW.shed_period_id
    WHEN 'MON' THEN interval '1 month'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'HOU' THEN interval '1 hour'
  END;
  -- Divided, because a multiple may be more than an interval can hold.
  IF v_unit > v_longest / NEW.shed_period_count THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('a period of %s %s is longer than %s',
        NEW.shed_period_count, NEW.shed_period_id, v_longest),
      HINT = 'Set next_start alone for a single start.';
  END IF;
  IF NEW.next_start NOT BETWEEN v_from AND v_to THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('next_start %s is not between the years 1900 and 9999', NEW.next_start),
      HINT = 'Set shed_enabled to false to pause a schedule.';
  END IF;
  IF NEW.cron IS NOT NULL AND NEW.shed_period_id IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = 'a task has either cron or shed_period_id',
      HINT = 'Set the other one to null.';
  END IF;
  IF NEW.time_zone IS NOT NULL
     AND (TG_OP = 'INSERT' OR NEW.time_zone IS DISTINCT FROM OLD.time_zone)
     AND NOT long_task.is_time_zone(NEW.time_zone) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('time_zone %s is not known', quote_literal(NEW.time_zone)),
      HINT = 'Give a name of pg_timezone_names such as ''Europe/Berlin''.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.check_task_schedule() IS
  'Trigger: refuse a schedule that makes no sense.';

CREATE OR REPLACE TRIGGER check_task_schedule
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.next_start IS NOT NULL
  OR NEW.shed_period_id IS NOT NULL
  OR NEW.shed_period_count IS NOT NULL
  OR NEW.time_zone IS NOT NULL
  OR NEW.cron IS NOT NULL
)
EXECUTE FUNCTION long_task.check_task_schedule();

CREATE OR REPLACE TRIGGER check_changed_task_schedule
BEFORE UPDATE OF
  next_start, shed_period_id, shed_period_count, time_zone, cron
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.check_task_schedule();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/check_task_schedule', 'pg_tasks', 'changelog.xml', NOW(), 80, '9:09f70f07998a02a018dfd2143113fdf5', 'sqlFile path=procedures/check_task_schedule.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/claim_tasks::pg_tasks

-- claim_tasks: take ready tasks for a worker, best first, and say how to start them.
--
-- Called by  sync, under the lease of the worker and with free slots.
-- Locks      as pick_tasks
-- Raises     nothing
--
-- What was read in vain is remembered as a gap, and stepped over by the next calls of the session (note_gaps).
--
-- The settings keep the plan on the ready indexes whatever the statistics say: a plan made while the
-- table was small is used for as long as the node is connected.
CREATE OR REPLACE FUNCTION long_task.claim_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_in_vain   CONSTANT integer := 500;
  v_now       timestamptz := long_task.clock();
  v_of_group  bigint;
  v_of_worker bigint;
  v_ids       bigint[];
  v_starts    json;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('worker', p_worker_id, v_in_vain);
  END IF;
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass);
  v_ids := long_task.pick_tasks(p_worker_id, p_group_id, p_limit);
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass) - v_of_worker;

  IF cardinality(v_ids) > 0 THEN
    WITH claimed AS (
      UPDATE long_task.task AS t
      SET
        state_id = 'AE',
        running_on = p_worker_id,
        pinned = t.worker_id IS NOT NULL,
        worker_id = p_worker_id,
        attempt = t.attempt + 1,
        started = v_now,
        last_state_change = v_now,
        finished = NULL,
        exit_code = NULL,
        signal = NULL,
        error = NULL,
        output = NULL,
        result = NULL,
        progress = NULL
      WHERE t.id = ANY (v_ids)
      RETURNING t.*
    )
    SELECT json_agg(long_task.start_order(c) ORDER BY array_position(v_ids, c.id))
    INTO v_starts
    FROM claimed AS c;
  END IF;
  IF v_of_group > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > cardinality(v_ids) + v_in_vain THEN
    PERFORM long_task.note_gaps('worker', p_worker_id, v_ids);
  END IF;
  RETURN v_starts;
END
$$;

COMMENT ON FUNCTION long_task.claim_tasks(integer, integer, integer) IS
  'Take up to so many ready tasks for a worker, and not too much at once. Returns how to start them, best first; null if there are none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/claim_tasks', 'pg_tasks', 'changelog.xml', NOW(), 81, '9:885df3c220014d1a392d3fb7c86f1d57', 'sqlFile path=procedures/claim_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/clear_run::pg_tasks

-- clear_run: delete tasks of a run of a workflow that no policy keeps any longer, and at last the run.
--
-- Called by  sweep_runs
-- Locks      the run FOR UPDATE SKIP LOCKED, then as clear_tasks
-- Raises     what triggers and foreign keys of others raise
--
-- A run that is small enough goes as a whole or not at all: not while somebody holds a row of it, or a task of somebody's
-- own needs one. A larger one goes in several steps.
--
-- gone  how many tasks have gone
-- done  whether the run has gone, too
CREATE OR REPLACE FUNCTION long_task.clear_run(
  p_run_id bigint,
  OUT gone integer,
  OUT done boolean
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_most CONSTANT integer := 200;
  v_all  bigint[];
  v_ids  bigint[];
BEGIN
  gone := 0;
  done := false;
  PERFORM
  FROM long_task.workflow_run AS r
  WHERE r.id = p_run_id
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_all := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
    ORDER BY t.run_id, t.step, t.item
    LIMIT v_most + 1
  );
  v_ids := long_task.light_tasks(v_all[:v_most]);
  IF EXISTS (SELECT FROM unnest(v_ids) AS i(id) WHERE long_task.is_needed(i.id)) THEN
    RETURN;
  END IF;
  BEGIN
    gone := long_task.clear_tasks(v_ids, false);
    IF gone < cardinality(v_ids) AND cardinality(v_ids) = cardinality(v_all) THEN
      RAISE lock_not_available; -- what has gone comes back
    END IF;
    done := gone = cardinality(v_all);
  EXCEPTION
    WHEN lock_not_available THEN
      gone := 0;
  END;
  IF done THEN
    DELETE FROM long_task.workflow_run AS r
    WHERE r.id = p_run_id;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.clear_run(bigint) IS
  'Clear away tasks of a run that no policy keeps, and at last the run. Returns how many tasks, and whether the run has gone.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/clear_run', 'pg_tasks', 'changelog.xml', NOW(), 82, '9:bad322e3aa43167db150ebf7cde7f461', 'sqlFile path=procedures/clear_run.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/clear_tasks::pg_tasks

-- clear_tasks: delete tasks that no policy keeps any longer, or move them to the archive.
--
-- Called by  sweep_tasks, clear_run
-- Locks      the tasks FOR UPDATE SKIP LOCKED, in the order of their ids: what somebody holds stays until later
-- Raises     nothing, unless told to
--
-- Whether they may go is asked once more when they are locked. If the deletion fails, because of a foreign key or a
-- trigger of somebody's own, each is tried by itself, and those that cannot be deleted stay. Constraints that were put
-- off until the end of the transaction are checked here, where that still can be helped.
--
-- p_each_by_itself  whether they are tried one by one, if it comes to that; false: the error is raised
--
-- Returns how many have gone.
CREATE OR REPLACE FUNCTION long_task.clear_tasks(
  p_ids            bigint[],
  p_each_by_itself boolean
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_enough CONSTANT interval := interval '100 milliseconds';
  v_begun  timestamptz;
  v_now    timestamptz := long_task.clock();
  v_ids    bigint[];
  v_gone   integer;
  v_id     bigint;
BEGIN
  v_ids := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.id = ANY (p_ids)
    ORDER BY t.id
    FOR UPDATE SKIP LOCKED
  );
  BEGIN
    WITH gone AS (
      DELETE FROM long_task.task AS t
      USING long_task.task_kept AS k
      WHERE t.id = ANY (v_ids)
        AND k.id = t.id
        AND k.kept_until <= v_now
        AND NOT (t.has_dependents AND long_task.is_needed(t.id))
      RETURNING t.id, CASE WHEN k.archive THEN jsonb_strip_nulls(to_jsonb(t)) END AS task
    ),
    archived AS (
      INSERT INTO long_task.task_archive (task_id, archived, task)
      SELECT g.id, v_now, g.task
      FROM gone AS g
      WHERE g.task IS NOT NULL
    )
    SELECT count(*) INTO v_gone
    FROM gone AS g;
    SET CONSTRAINTS ALL IMMEDIATE;
    RETURN v_gone;
  EXCEPTION
    WHEN OTHERS THEN
      IF NOT p_each_by_itself THEN
        RAISE;
      END IF;
  END;
  -- Somebody may hold a row that goes with a task, by a foreign key: not for each of them is waited long.
  PERFORM set_config('lock_timeout', '1ms', true);
  v_begun := clock_timestamp(); -- a duration, not a time
  v_gone := 0;
  FOREACH v_id IN ARRAY v_ids LOOP
    BEGIN
      v_gone := v_gone + long_task.clear_tasks(ARRAY[v_id], false);
    EXCEPTION
      WHEN OTHERS THEN
        PERFORM long_task.note_maintenance(format('task %s stays: %s', v_id, SQLERRM));
    END;
    EXIT WHEN clock_timestamp() > v_begun + v_enough;
  END LOOP;
  RETURN v_gone;
END
$$;

COMMENT ON FUNCTION long_task.clear_tasks(bigint[], boolean) IS
  'Delete or archive those of these tasks that no policy keeps and nobody holds. Returns how many.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/clear_tasks', 'pg_tasks', 'changelog.xml', NOW(), 83, '9:0de5148a8853e22512e0a8cfbbb4f046', 'sqlFile path=procedures/clear_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/counted::pg_tasks

-- counted: a number of rows that was counted up to 1001.
--
-- Called by  the functions doctor_*
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.counted(p_rows bigint)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN p_rows > 1000 THEN 'more than 1000' ELSE p_rows::text END;

COMMENT ON FUNCTION long_task.counted(bigint) IS
  'A number of rows in words, where counting ended at 1001.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/counted', 'pg_tasks', 'changelog.xml', NOW(), 84, '9:1b2e8a3b2b9425da30a8a34f3ba70e74', 'sqlFile path=procedures/counted.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cron_days::pg_tasks

-- cron_days: the days of one month on which a cron line starts something.
--
-- Called by  cron_local_after
-- Locks      nothing
-- Raises     nothing
--
-- A month that the line does not name has none.
CREATE OR REPLACE FUNCTION long_task.cron_days(
  p_fields long_task.cron_fields,
  p_month  date
)
RETURNS bit(31)
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_last     integer := extract(day FROM p_month + interval '1 month' - interval '1 day');
  v_first    integer := extract(dow FROM p_month); -- weekday of the first
  v_days     bit(31) := p_fields.days;
  v_weekdays bit(31);
  v_week     bit varying := p_fields.weekdays;
  v_day      integer;
  v_weekday  integer;
  v_item     integer;
BEGIN
  IF get_bit(p_fields.months, extract(month FROM p_month)::integer - 1) = 0 THEN
    RETURN B'0'::bit(31);
  END IF;
  -- From six weeks that begin on Sunday, the days from the first on.
  v_weekdays := substring(v_week || v_week || v_week || v_week || v_week || v_week FROM v_first + 1 FOR 31)::bit(31);
  FOREACH v_item IN ARRAY COALESCE(p_fields.nth_weekdays, '{}') LOOP
    v_day := 1 + (v_item / 10 - v_first + 7) % 7 + 7 * (v_item % 10 - 1);
    IF v_item % 10 = 0 THEN
      v_day := v_last - (v_first + v_last - 1 - v_item / 10 + 7) % 7;
    END IF;
    IF v_day <= v_last THEN
      v_weekdays := set_bit(v_weekdays, v_day - 1, 1);
    END IF;
  END LOOP;

  IF p_fields.last_day THEN
    v_days := set_bit(v_days, v_last - 1, 1);
  END IF;
  IF p_fields.last_workday THEN
    v_weekday := (v_first + v_last - 1) % 7;
    v_days := set_bit(v_days, v_last - 1 - CASE v_weekday WHEN 6 THEN 1 WHEN 0 THEN 2 ELSE 0 END, 1);
  END IF;
  FOREACH v_day IN ARRAY COALESCE(p_fields.near_days, '{}') LOOP
    CONTINUE WHEN v_day > v_last;
    v_weekday := (v_first + v_day - 1) % 7;
    v_days := set_bit(v_days, v_day - 1 + CASE
      WHEN v_weekday = 6 THEN CASE WHEN v_day = 1 THEN 2 ELSE -1 END
      WHEN v_weekday = 0 THEN CASE WHEN v_day = v_last THEN -2 ELSE 1 END
      ELSE 0
    END, 1);
  END LOOP;

  v_days := CASE WHEN p_fields.either_day THEN v_days | v_weekdays ELSE v_days & v_weekdays END;
  RETURN v_days & (repeat('1', v_last)::bit(31));
END
$$;

COMMENT ON FUNCTION long_task.cron_days(long_task.cron_fields, date) IS
  'One bit for each day of the month that begins on a date on which a parsed cron line starts something.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cron_days', 'pg_tasks', 'changelog.xml', NOW(), 85, '9:f044144b6c40c9b12ed62875dc39922d', 'sqlFile path=procedures/cron_days.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cron_local_after::pg_tasks

-- cron_local_after: the first minute after a time that a cron line names, by the calendar and the clock on the wall.
--
-- Called by  cron_time_after, which knows the zones; here there are none.
-- Locks      nothing
-- Raises     nothing
--
-- Null: there is none in the next 400 years, after which the calendar repeats itself, or none before the year 10000.
CREATE OR REPLACE FUNCTION long_task.cron_local_after(
  p_fields long_task.cron_fields,
  p_after  timestamp
)
RETURNS timestamp
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_from   timestamp := date_trunc('minute', p_after) + interval '1 minute';
  v_month  date := date_trunc('month', v_from);
  v_end    date := LEAST((v_month + interval '400 years')::date, date '9999-12-01');
  v_day    integer := extract(day FROM v_from);
  v_hour   integer := extract(hour FROM v_from);
  v_minute integer := extract(minute FROM v_from);
  v_days   bit(31) := long_task.cron_days(p_fields, v_month);
  v_ahead  integer := 0; -- how far the next bit is
BEGIN
  -- Today: the rest of this hour, else the next hour.
  IF get_bit(v_days, v_day - 1) = 1 THEN
    IF get_bit(p_fields.hours, v_hour) = 1 THEN
      v_ahead := position(B'1' IN substring(p_fields.minutes FROM v_minute + 1));
      v_minute := v_minute + v_ahead - 1;
    END IF;
    IF v_ahead = 0 THEN
      v_ahead := position(B'1' IN substring(p_fields.hours FROM v_hour + 2));
      v_hour := v_hour + v_ahead;
      v_minute := position(B'1' IN p_fields.minutes) - 1;
    END IF;
    IF v_ahead > 0 THEN
      RETURN v_month + make_interval(days => v_day - 1, hours => v_hour, mins => v_minute);
    END IF;
  END IF;

  -- Another day, at its first time.
  v_ahead := position(B'1' IN substring(v_days FROM v_day + 1));
  WHILE v_ahead = 0 LOOP
    v_month := v_month + interval '1 month';
    v_day := 0;
    IF v_month > v_end THEN
      RETURN NULL;
    END IF;
    v_ahead := position(B'1' IN long_task.cron_days(p_fields, v_month));
  END LOOP;
  RETURN v_month + make_interval(
    days => v_day + v_ahead - 1,
    hours => position(B'1' IN p_fields.hours) - 1,
    mins => position(B'1' IN p_fields.minutes) - 1
  );
END
$$;

COMMENT ON FUNCTION long_task.cron_local_after(long_task.cron_fields, timestamp) IS
  'First minute after a local time that a parsed cron line names; null: there is none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cron_local_after', 'pg_tasks', 'changelog.xml', NOW(), 86, '9:4c67fcf705d0dcc460568efd2ca6e157', 'sqlFile path=procedures/cron_local_after.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cron_time_after::pg_tasks

-- cron_time_after: the first start of a cron line after a given time.
--
-- Called by  next_start_after, find_next_start, schedule_preview
-- Locks      nothing
-- Raises     nothing; an unknown zone is PostgreSQL's own error
--
-- A line that names hours starts once for each time of day it names, also on a day when clocks are changed
-- (wall_clock_time). A line whose hours have * or a step follows elapsed time: it starts whenever the clock on the
-- wall shows one of its minutes, so twice in an hour that comes twice, and not in one that is left out.
-- Null: there is none before the year 10000.
CREATE OR REPLACE FUNCTION long_task.cron_time_after(
  p_fields    long_task.cron_fields,
  p_time_zone text,
  p_after     timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_zone  text := COALESCE(p_time_zone, 'UTC');
  v_shown timestamp := p_after AT TIME ZONE v_zone;
  v_local timestamp := v_shown;
  v_time  timestamptz;
  v_again timestamptz;
  v_back  interval;
BEGIN
  LOOP
    v_local := long_task.cron_local_after(p_fields, v_local);
    v_time := long_task.wall_clock_time(v_local, v_zone);
    IF p_fields.every_hour AND v_time AT TIME ZONE v_zone <> v_local THEN
      CONTINUE; -- left out
    ELSIF p_fields.every_hour AND v_time <= p_after THEN
      v_time := v_local AT TIME ZONE v_zone; -- shown for the second time
    END IF;
    EXIT WHEN (v_time <= p_after) IS NOT TRUE;
  END LOOP;
  IF NOT p_fields.every_hour THEN
    RETURN v_time;
  END IF;

  -- If clocks are about to be set back, what they have just shown will come again.
  v_back := v_shown - ((p_after + interval '24 hours') AT TIME ZONE v_zone - interval '24 hours');
  IF v_back > interval '0' AND (p_after + v_back) AT TIME ZONE v_zone - v_back < v_shown THEN
    v_local := v_shown - v_back;
    LOOP
      v_local := long_task.cron_local_after(p_fields, v_local);
      EXIT WHEN (v_local <= v_shown) IS NOT TRUE;
      v_again := v_local AT TIME ZONE v_zone;
      EXIT WHEN v_again > p_after;
    END LOOP;
    IF v_again > p_after THEN
      RETURN LEAST(v_time, v_again);
    END IF;
  END IF;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.cron_time_after(long_task.cron_fields, text, timestamptz) IS
  'First start after a time of a parsed cron line in a time zone (null: UTC); null: there is none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cron_time_after', 'pg_tasks', 'changelog.xml', NOW(), 87, '9:6cb8abfee24dea6afa03831e3e4e50d8', 'sqlFile path=procedures/cron_time_after.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/cycle_path::pg_tasks

-- cycle_path: the shortest way by which a task needs itself.
--
-- Called by  refuse_cycle, about an edge that is known to be in a cycle
-- Locks      nothing
-- Raises     nothing
--
-- Goes out from the needed task in rings, and remembers of each task met by whom it was needed first.
--
-- Returns the ids, each needing the next, the first one again at the end.
CREATE OR REPLACE FUNCTION long_task.cycle_path(
  p_task_id       bigint,
  p_needs_task_id bigint
)
RETURNS bigint[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_seen bigint[] := ARRAY[p_needs_task_id];
  v_from bigint[] := ARRAY[p_task_id];
  v_ring bigint[] := ARRAY[p_needs_task_id];
  v_next bigint[];
  v_by   bigint[];
  v_path bigint[] := ARRAY[p_task_id];
  v_at   bigint := p_task_id;
BEGIN
  WHILE p_task_id <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[]),
      COALESCE(array_agg(r.task_id ORDER BY r.needs_task_id), ARRAY[]::bigint[])
    INTO v_next, v_by
    FROM (
      SELECT d.needs_task_id, min(d.task_id) AS task_id
      FROM long_task.task_dependency AS d
      WHERE d.task_id = ANY (v_ring)
        AND d.needs_task_id <> ALL (v_seen)
      GROUP BY d.needs_task_id
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_task_id;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.cycle_path(bigint, bigint) IS
  'The shortest cycle through the dependency of one task on another.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/cycle_path', 'pg_tasks', 'changelog.xml', NOW(), 88, '9:24747ecd70be94417e1c54eb39dad57c', 'sqlFile path=procedures/cycle_path.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/describe_end::pg_tasks

-- describe_end: say in one line why an attempt ended badly.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: it needs no search_path, and its expression becomes a part
-- of the calling statement.
--
-- p_timeout: the limit in seconds under which the attempt ran. That of its row may have been changed or
-- taken away since. A reason is never described by null, which says that the attempt ended well.
--
-- Numbers of signals are those of Linux (man 7 signal; the same on x86 and ARM).
CREATE OR REPLACE FUNCTION long_task.describe_end(
  p_reason      text,
  p_error       text,
  p_exit_code   smallint,
  p_signal      smallint,
  p_core_dumped boolean,
  p_timeout     double precision
)
RETURNS text
LANGUAGE sql
STABLE
RETURN CASE
  WHEN p_reason = 'timeout' THEN 'timeout' || COALESCE(' after ' || justify_hours(make_interval(secs => p_timeout)), '')
  WHEN p_reason IS NOT NULL THEN p_reason
  WHEN p_signal IS NOT NULL THEN
    'signal ' || p_signal
    || COALESCE(' (SIG' || (ARRAY[
      'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE',
      'ALRM', 'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ',
      'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS'
    ])[p_signal] || ')', '')
    || CASE WHEN p_core_dumped THEN ', core dumped' ELSE '' END
  WHEN p_exit_code <> 0 THEN 'exit code ' || p_exit_code || COALESCE('; ' || p_error, '')
  ELSE p_error
END;

COMMENT ON FUNCTION long_task.describe_end(text, text, smallint, smallint, boolean, double precision) IS
  'One line that says why an attempt ended badly; null if it ended well.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/describe_end', 'pg_tasks', 'changelog.xml', NOW(), 89, '9:78209e7e4a7fba81f5d4dbfdfcb1eb1f', 'sqlFile path=procedures/describe_end.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor::pg_tasks

-- doctor: what is wrong with this installation, and what to do about it.
--
-- Called by  people, pg-tasks doctor.
-- Locks      nothing
-- Raises     nothing
--
-- Each family of findings is a function of its own, doctor_*; one more is one more line here. They read statistics,
-- small tables, and a bounded number of index entries, so that they can be asked at any time.
-- Not SECURITY DEFINER: who asks sees what he may see, and is told what he could not.
CREATE OR REPLACE FUNCTION long_task.doctor()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT d.*
  FROM (
    SELECT f.* FROM long_task.doctor_blocked() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_indexes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_notifications() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_overdue() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_processes() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_queues() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_retention() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_server() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_sessions() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_settings() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_snapshots() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_vacuum() AS f
    UNION ALL
    SELECT f.* FROM long_task.doctor_workers() AS f
  ) AS d
  ORDER BY array_position(ARRAY['problem', 'warning', 'note'], d.severity), d.code, d.subject;
END
$$;

COMMENT ON FUNCTION long_task.doctor() IS
  'What is wrong, and what to do: SELECT * FROM long_task.doctor(). No row: nothing was found.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor', 'pg_tasks', 'changelog.xml', NOW(), 90, '9:571c4e5fef7e7112f931df38c5d78bf8', 'sqlFile path=procedures/doctor.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_blocked::pg_tasks

-- doctor_blocked: tasks that wait for what cannot come.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- What is stuck gathers where the oldest is, so the open dependencies of the 1000 lowest ids are looked at; of those that
-- are decided, which are most of all, the 10000 of the highest ids.
CREATE OR REPLACE FUNCTION long_task.doctor_blocked()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT 'warning', 'key_limit_zero', format('concurrency_key %s', quote_literal(c.concurrency_key)),
    'Tasks wait for the key, and its limit is 0.',
    format('UPDATE long_task.concurrency_limit SET max_running = 1 WHERE concurrency_key = %L, or as many as you like, or DELETE the row: that is 1.', c.concurrency_key)
  FROM long_task.concurrency_limit AS c
  WHERE c.max_running = 0
    AND (
      EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NULL AND t.concurrency_key = c.concurrency_key)
      OR EXISTS (SELECT FROM long_task.task AS t WHERE t.wants_key AND t.worker_id IS NOT NULL AND t.concurrency_key = c.concurrency_key)
    )
  ORDER BY c.concurrency_key
  LIMIT v_shown;

  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', t.id), f.found, f.advice
  FROM (
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.met IS NULL
      AND d.enabled
    ORDER BY d.task_id, d.needs_task_id
    LIMIT 1000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB'
  JOIN long_task.task AS p ON p.id = o.needs_task_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'needs_template', p.shed_clone AND p.state_id IN ('DR', 'CS', 'CF', 'CC'),
        format('It waits for task %s, a template, which never runs itself.', p.id),
        format('DELETE FROM long_task.task_dependency WHERE task_id = %s AND needs_task_id = %s', t.id, p.id)),
      ('warning', 'needs_draft', p.state_id = 'DR' AND NOT p.shed_clone AND t.last_state_change < v_now - interval '1 day',
        format('It waits since %s for task %s, which is a draft.', t.last_state_change, p.id),
        format('UPDATE long_task.task SET state_id = ''AW'' WHERE id = %s', p.id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY t.id, p.id
  LIMIT v_shown;

  RETURN QUERY
  SELECT 'warning', 'needs_unmet', format('task %s', t.id),
    format('It waits, as its column unmet says, though it %s.', long_task.why_unmet(t.id)),
    format('UPDATE long_task.task SET unmet = ''start'' (or ''cancel'') WHERE id = %s, or run again what it needs.', t.id)
  FROM (
    SELECT d.task_id, d.met
    FROM long_task.task_dependency AS d
    WHERE d.met IS NOT NULL
      AND d.enabled
    ORDER BY d.task_id DESC, d.met DESC
    LIMIT 10000
  ) AS o
  JOIN long_task.task AS t ON t.id = o.task_id AND t.state_id = 'AB' AND t.unmet = 'wait'
  WHERE NOT o.met
  GROUP BY t.id
  ORDER BY t.id
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_blocked() IS
  'Findings about tasks that wait for a key, or for tasks, in vain.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_blocked', 'pg_tasks', 'changelog.xml', NOW(), 91, '9:0bc90b2f43fff537aa1ce66b0f2f9750', 'sqlFile path=procedures/doctor_blocked.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_indexes::pg_tasks

-- doctor_indexes: indexes that are far larger than what is in them, and those that are none.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- An estimate, from the catalogue alone: a B-tree of so many entries, each a header of 8 bytes, a line pointer of 4 and the
-- average width of its columns, in pages that are filled to nine tenths. Equal keys are stored once, so an index can be
-- smaller than that; larger by far, it is mostly empty. The number of entries is that of the latest VACUUM or ANALYZE, so
-- tables that have changed much since then are left out. A width that cannot be seen counts as 32 bytes. Of task_run
-- each partition has its own; one of the whole is nothing but their list, and is not judged.
CREATE OR REPLACE FUNCTION long_task.doctor_indexes()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_matters CONSTANT bigint := 32 * 1024 * 1024;
  v_factor  CONSTANT integer := 4;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'index_invalid', format('index %s%s', c.relname, long_task.history_label(t.relname)),
    'A CREATE or REINDEX CONCURRENTLY has not come to its end: it is written to, and not used.',
    format('DROP INDEX CONCURRENTLY %s, unless it is being built at this moment (pg_stat_progress_create_index).', c.oid::regclass)
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_class AS t ON t.oid = i.indrelid
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND c.relkind = 'i'
    AND NOT i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.relid = i.indrelid);

  RETURN QUERY
  SELECT 'warning', 'index_bloated', format('index %s%s', x.relname, long_task.history_label(x.of)),
    format('%s for %s entries, which would fit into about %s.',
      pg_size_pretty(x.bytes), round(x.entries), pg_size_pretty(x.needed::bigint)),
    format('REINDEX INDEX CONCURRENTLY %s', x.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      t.relname AS of,
      c.reltuples::numeric AS entries,
      pg_relation_size(c.oid) AS bytes,
      -- Two pages are there in any case.
      16384 + c.reltuples::numeric * (4 + 8 * ceil((8 + w.width) / 8.0)) / 0.9 AS needed
    FROM pg_class AS c
    JOIN pg_index AS i ON i.indexrelid = c.oid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_am AS m ON m.oid = c.relam
    CROSS JOIN LATERAL (
      SELECT sum(CASE WHEN k.attlen > 0 THEN k.attlen ELSE COALESCE(s.avg_width, 32) END) AS width
      FROM pg_attribute AS k
      LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.attnum - 1] AND a.attnum > 0
      LEFT JOIN pg_stats AS s ON s.schemaname = 'long_task' AND s.tablename = t.relname AND s.attname = a.attname
      WHERE k.attrelid = c.oid
    ) AS w
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'i'
      AND m.amname = 'btree'
      AND i.indisvalid
      AND c.reltuples >= 0
      AND pg_relation_size(c.oid) > v_matters
      AND pg_stat_get_mod_since_analyze(t.oid) <= 1000 + 0.2 * GREATEST(t.reltuples, 0)
  ) AS x
  WHERE x.bytes > v_factor * x.needed;
END
$$;

COMMENT ON FUNCTION long_task.doctor_indexes() IS
  'Findings about indexes that are mostly empty, by an estimate, or invalid.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_indexes', 'pg_tasks', 'changelog.xml', NOW(), 92, '9:098785c8a818d4adf51b7f9071be2b67', 'sqlFile path=procedures/doctor_indexes.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_notifications::pg_tasks

-- doctor_notifications: whether those who notify have to wait, or soon will.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.doctor_notifications()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_many  CONSTANT integer := 100;
  v_now   timestamptz := long_task.clock();
  v_usage double precision := pg_notification_queue_usage();
  v_nodes bigint;
BEGIN
  IF v_usage > 0.1 THEN
    RETURN NEXT (CASE WHEN v_usage > 0.5 THEN 'problem' ELSE 'warning' END, 'notifications_pile_up', 'server',
      format('The queue of notifications is %s %% full; when it is full, nobody can commit who notifies, as those do who insert tasks.',
        round(100 * v_usage::numeric)),
      'Some session listens and does not end its transaction: the log of the server names it, and SELECT pg_terminate_backend(pid) ends it.'
    )::long_task.finding;
  END IF;

  SELECT
    (SELECT count(*) FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now)
    + (SELECT count(*) FROM long_task.worker_standby AS s WHERE s.seen_until > v_now)
  INTO v_nodes;
  IF v_nodes > v_many THEN
    RETURN NEXT ('warning', 'nodes_many', 'server',
      format('%s nodes listen: each costs everybody who notifies, as those do who insert tasks.', v_nodes),
      'Fewer nodes with more slots each do the same work: one for each machine is enough.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_notifications() IS
  'Findings about notifications: a queue that fills, nodes too many.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_notifications', 'pg_tasks', 'changelog.xml', NOW(), 93, '9:0d00399f462022c55fd6bad4db7002a2', 'sqlFile path=procedures/doctor_notifications.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_overdue::pg_tasks

-- doctor_overdue: what nodes do by themselves when its time has come, and have not done.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Schedules, delays and what was left over are seen to in each call of a node. Five minutes are enough for a backlog of
-- hundreds of thousands.
CREATE OR REPLACE FUNCTION long_task.doctor_overdue()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_late   timestamptz := v_now - interval '5 minutes';
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_advice text := CASE
    WHEN v_served THEN 'Look for a transaction that has been open for long, among these findings and in pg_locks, and at the logs of the nodes.'
    ELSE 'Start a node, of any group.'
  END;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'schedules_overdue', format('task %s', (array_agg(s.id ORDER BY s.next_start))[1]),
    format('Starts that are overdue: %s, the first since %s.', long_task.counted(count(*)), min(s.next_start)), v_advice
  FROM (
    SELECT t.id, t.next_start
    FROM long_task.task AS t
    WHERE t.next_start IS NOT NULL
      AND t.shed_enabled
      AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
      AND t.next_start < v_late
    ORDER BY t.next_start
    LIMIT 1001
  ) AS s
  HAVING count(*) > 0;

  RETURN QUERY
  SELECT 'problem', 'delays_overdue',
    CASE WHEN q.worker_id IS NULL THEN 'group ' || q.group_id ELSE 'worker ' || q.worker_id END,
    format('A delay was over at %s, and its task is not ready yet, though a node is there.', q.since), v_advice
  FROM long_task.waiting_queues('AD') AS q
  WHERE q.since < v_late
    AND EXISTS (
      SELECT
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.locked_until > v_now
        AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
    );

  RETURN QUERY
  SELECT 'problem', 'left_unsettled', format('table %s', u.name),
    format('Rows: %s, the first was to be seen to at %s. What waits for them may not be started.', long_task.counted(u.rows), u.first),
    v_advice
  FROM (
    SELECT 'unsettled_task' AS name, count(*) AS rows, min(l.not_before) AS first
    FROM (SELECT s.not_before FROM long_task.unsettled_task AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_key', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_key AS s ORDER BY s.id LIMIT 1001) AS l
    UNION ALL
    SELECT 'unsettled_workflow', count(*), min(l.not_before)
    FROM (SELECT s.not_before FROM long_task.unsettled_workflow AS s ORDER BY s.id LIMIT 1001) AS l
  ) AS u
  WHERE u.first < v_late;
END
$$;

COMMENT ON FUNCTION long_task.doctor_overdue() IS
  'Findings about schedules, delays and leftovers that nobody has seen to in time.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_overdue', 'pg_tasks', 'changelog.xml', NOW(), 94, '9:48337f7364ce304e292924a7a616caa6', 'sqlFile path=procedures/doctor_overdue.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_processes::pg_tasks

-- doctor_processes: processes that should have been ended, and are not.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of workers that are served; of the others doctor_workers tells. At most 10000 running tasks are looked at.
CREATE OR REPLACE FUNCTION long_task.doctor_processes()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_shown CONSTANT integer := 20;
  v_now   timestamptz := long_task.clock();
  v_late  timestamptz := v_now - interval '5 minutes';
BEGIN
  RETURN QUERY
  SELECT f.severity, f.code, format('task %s', r.id), f.found, f.advice
  FROM (
    SELECT
      t.id,
      t.state_id,
      t.started,
      t.timeout,
      t.running_on,
      t.last_state_change AS since,
      -- A node's own setting is not known here; unless configured it is 10 seconds.
      COALESCE(t.kill_grace, interval '10 seconds') AS grace
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL
    ORDER BY t.running_on
    LIMIT 10000
  ) AS r
  JOIN long_task.worker_lease AS l ON l.worker_id = r.running_on AND l.active AND l.locked_until > v_now
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'timeout_passed', r.state_id = 'AE' AND r.started + r.timeout + r.grace < v_late,
        format('It runs since %s on worker %s, and its timeout is %s. A timeout that was changed counts from the next attempt on.',
          r.started, r.running_on, r.timeout),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s, and look at the log of the node.', r.id)),
      ('problem', 'process_not_killed', r.state_id = 'AC' AND r.since + r.grace < v_late,
        format('It is being killed since %s on worker %s.', r.since, r.running_on),
        'Look at the process on that machine: one that waits for a disk or a network drive cannot be killed.'),
      ('warning', 'process_not_stopped', r.state_id = 'AS' AND r.since < v_now - interval '1 hour',
        format('It was asked to stop at %s, and still runs on worker %s.', r.since, r.running_on),
        format('UPDATE long_task.task SET state_id = ''AC'' WHERE id = %s', r.id)),
      ('problem', 'process_not_left', r.state_id NOT IN ('AE', 'AS', 'AC') AND r.since + r.grace < v_late,
        format('It has ended itself (%s) at %s, and its process on worker %s is still there.', r.state_id, r.since, r.running_on),
        'Look at the process on that machine, and at the log of the node.')
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY r.since
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_processes() IS
  'Findings about tasks that run beyond their timeout, or do not end though they were told to.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_processes', 'pg_tasks', 'changelog.xml', NOW(), 95, '9:87a537025551e83c6cb24771d7908fbb', 'sqlFile path=procedures/doctor_processes.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_queues::pg_tasks

-- doctor_queues: tasks that could be started, or are due, and are not.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- A minute is given to nodes that are being restarted, and to those who are about to start one. What is due is released by
-- every call of a node that may run it, so a delay that is over for longer is held up by something.
CREATE OR REPLACE FUNCTION long_task.doctor_queues()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_shown  CONSTANT integer := 20;
  v_now    timestamptz := long_task.clock();
  v_minute CONSTANT interval := interval '1 minute';
BEGIN
  RETURN QUERY
  SELECT
    f.severity,
    f.code,
    q.subject,
    format('A task that %s could be started since %s, and %s', q.whose, q.since, f.found),
    f.advice
  FROM (
    SELECT
      w.group_id,
      w.worker_id,
      CASE WHEN w.worker_id IS NULL THEN 'group ' || w.group_id ELSE 'worker ' || w.worker_id END AS subject,
      CASE WHEN w.worker_id IS NULL THEN 'any worker of it may run' ELSE 'only this worker may run (worker_id)' END AS whose,
      min(w.since) AS since
    FROM (
      SELECT * FROM long_task.waiting_queues('AW')
      UNION ALL
      SELECT * FROM long_task.waiting_queues('AD')
    ) AS w
    WHERE w.since < v_now - v_minute
    GROUP BY w.group_id, w.worker_id
  ) AS q
  CROSS JOIN LATERAL (
    SELECT count(*) AS live, count(*) FILTER (WHERE COALESCE(s.stop, 0) = 0) AS willing
    FROM long_task.worker_lease AS l
    LEFT JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id
    WHERE l.active
      AND l.locked_until > v_now
      AND (l.worker_id = q.worker_id OR l.group_id = q.group_id)
  ) AS n
  LEFT JOIN long_task.group_limit AS g ON g.group_id = q.group_id
  CROSS JOIN LATERAL (
    VALUES
      ('problem', 'group_without_node', q.worker_id IS NULL AND n.live = 0, 'no live node serves the group.',
        format('Start a node: node.py <worker_id> %s', q.group_id)),
      ('problem', 'worker_absent', q.worker_id IS NOT NULL AND n.live = 0, 'no live node serves the worker.',
        format('Start a node: node.py %s, or let others run them: UPDATE long_task.task SET worker_id = null WHERE worker_id = %1$s AND state_id IN (''AW'', ''AD'')',
          q.worker_id)),
      ('warning', 'workers_held', n.live > 0 AND n.willing = 0, 'all who may run it have a stop code.',
        'UPDATE long_task.worker SET stop = 0 WHERE id = ... for those that are to go on.'),
      ('warning', 'group_limit_zero', g.max_running = 0, 'its group has a limit of 0.',
        format('UPDATE long_task.group_limit SET max_running = 1 WHERE group_id = %s, or as many as you like, or DELETE the row.', q.group_id))
  ) AS f(severity, code, holds, found, advice)
  WHERE f.holds
  ORDER BY q.since
  LIMIT v_shown;
END
$$;

COMMENT ON FUNCTION long_task.doctor_queues() IS
  'Findings about groups and workers for whom tasks wait that nobody starts.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_queues', 'pg_tasks', 'changelog.xml', NOW(), 96, '9:8496125c611f2802d74fb87b2d3f230f', 'sqlFile path=procedures/doctor_queues.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_retention::pg_tasks

-- doctor_retention: policies that nobody sees to, what is in their way, and history that grows without one.
--
-- Called by  doctor
-- Locks      each partition of task_run in ACCESS SHARE mode, while its size is asked for
-- Raises     nothing
--
-- Every node tidies up, and whoever is at it moves next_at on with each step. A night's cron is often enough, too: only
-- what was left alone for longer than a day is told. How many rows history has is an estimate (history_rows).
CREATE OR REPLACE FUNCTION long_task.doctor_retention()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_late  CONSTANT interval := interval '25 hours';
  v_bytes CONSTANT bigint := pg_size_bytes('50 GB');
  v_rows  CONSTANT bigint := 100000000;
  v_now   timestamptz := long_task.clock();
  v_found record;
BEGIN
  RETURN QUERY
  SELECT 'warning', 'not_tidied_up', 'table maintenance', format('Something is in the way of retention: %s', m.error),
    'Nothing, if it has gone by the next round. Else look for a transaction that holds the rows, or for a foreign key or a view that refers to them.'
  FROM long_task.maintenance AS m
  WHERE m.error IS NOT NULL;

  RETURN QUERY
  SELECT
    'warning',
    'retention_late',
    'table maintenance',
    CASE
      WHEN m.next_at < v_now - v_late THEN
        format('There are policies of retention, and nobody has seen to them, which was due at %s.', m.next_at)
      ELSE
        format('Who sees to the policies of retention has not come to an end since %s.', m.swept)
    END,
    CASE
      WHEN m.next_at < v_now - v_late THEN 'Start a node, of any group, or have cron CALL long_task.maintain().'
      ELSE 'CALL long_task.maintain(), which makes no pauses.'
    END
  FROM long_task.maintenance AS m
  WHERE (m.next_at < v_now - v_late OR m.swept < v_now - v_late)
    AND (EXISTS (SELECT FROM long_task.retention) OR EXISTS (SELECT FROM long_task.history_retention));

  IF EXISTS (SELECT FROM long_task.history_retention AS h WHERE h.keep IS NOT NULL OR h.keep_rows IS NOT NULL) THEN
    RETURN;
  END IF;
  SELECT
    sum(pg_total_relation_size(to_regclass(format('long_task.task_run_%s', p.part)))) AS bytes,
    sum(long_task.history_rows(p.part)) AS number
  INTO v_found
  FROM long_task.task_run_part AS p;
  IF v_found.bytes > v_bytes OR v_found.number > v_rows THEN
    RETURN NEXT ('warning', 'history_endless', 'table task_run',
      format('History is kept for ever: about %s rows, %s.', v_found.number, pg_size_pretty(v_found.bytes)),
      'INSERT INTO long_task.history_retention (keep) VALUES (''90 days''), or as long as you need it.'
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_retention() IS
  'Findings about policies of retention that are not seen to, and about history that has none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_retention', 'pg_tasks', 'changelog.xml', NOW(), 97, '9:7e558695799f3c0f66f9408d1a9f1d14', 'sqlFile path=procedures/doctor_retention.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_server::pg_tasks

-- doctor_server: what the server has too little of.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.doctor_server()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_default CONSTANT bigint := 128 * 1024 * 1024;
  v_few     CONSTANT integer := 10;
  v_room    integer;
  v_used    integer;
  v_buffers bigint := pg_size_bytes(current_setting('shared_buffers'));
  v_bytes   bigint;
  v_newer   boolean := current_setting('server_version_num')::integer >= 170000;
  v_counters text[] := CASE
    WHEN v_newer THEN ARRAY['checkpointer_num_timed', 'checkpointer_num_requested']
    ELSE ARRAY['bgwriter_timed_checkpoints', 'bgwriter_requested_checkpoints']
  END;
  v_timed   bigint;
  v_asked   bigint;
BEGIN
  -- Whoever finds no room is a node that has lost its connection, and then its lease.
  v_room := current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
    - COALESCE(current_setting('reserved_connections', true), '0')::integer;
  SELECT sum(d.numbackends) INTO v_used
  FROM pg_stat_database AS d;
  IF v_used > 0.8 * v_room THEN
    RETURN NEXT (CASE WHEN v_used > 0.95 * v_room THEN 'problem' ELSE 'warning' END, 'connections_few', 'server',
      format('%s of %s connections are taken: a node that finds none loses its lease, and kills its tasks.', v_used, v_room),
      'Close what is idle, put applications behind a pooler, or ALTER SYSTEM SET max_connections, and restart.'
    )::long_task.finding;
  END IF;

  -- Reports look tasks up one by one: what is not in memory is read from the disk for each.
  SELECT sum(pg_table_size(c.oid) + pg_indexes_size(c.oid)) INTO v_bytes
  FROM pg_class AS c
  WHERE c.oid IN ('long_task.task'::regclass, 'long_task.task_dependency'::regclass);
  IF v_buffers <= v_default AND v_bytes > 4 * v_buffers THEN
    RETURN NEXT ('warning', 'shared_buffers_small', 'server',
      format('shared_buffers is %s, and tasks with their indexes take %s.', pg_size_pretty(v_buffers), pg_size_pretty(v_bytes)),
      'ALTER SYSTEM SET shared_buffers to a quarter of the memory, and restart. Delete ended tasks that nobody needs.'
    )::long_task.finding;
  END IF;

  -- After each checkpoint every page goes into the log whole when it is first changed.
  EXECUTE format('SELECT %I(), %I()', 'pg_stat_get_' || v_counters[1], 'pg_stat_get_' || v_counters[2])
  INTO v_timed, v_asked;
  IF v_asked >= v_few AND v_asked > v_timed THEN
    RETURN NEXT ('warning', 'checkpoints_often', 'server',
      format('%s checkpoints were asked for, and %s came by checkpoint_timeout: max_wal_size is %s, and each writes whole pages anew.',
        v_asked, v_timed, current_setting('max_wal_size')),
      format('ALTER SYSTEM SET max_wal_size = ''8GB''; SELECT pg_reload_conf(), pg_stat_reset_shared(%L)',
        CASE WHEN v_newer THEN 'checkpointer' ELSE 'bgwriter' END)
    )::long_task.finding;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.doctor_server() IS
  'Findings about connections, memory and checkpoints of the server.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_server', 'pg_tasks', 'changelog.xml', NOW(), 98, '9:5efe6d297ff20ec20f829a097fca2c34', 'sqlFile path=procedures/doctor_server.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_sessions::pg_tasks

-- doctor_sessions: who keeps a transaction open for long.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of sessions of others PostgreSQL shows the snapshot to everybody, but when the transaction began only to members of
-- pg_read_all_stats: of a hidden one the age in transactions is all there is to judge by. VACUUM holds nothing back.
CREATE OR REPLACE FUNCTION long_task.doctor_sessions()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_long     CONSTANT interval := interval '5 minutes';
  v_too_long CONSTANT interval := interval '1 hour';
  v_many     CONSTANT integer := 100000;
  v_now      timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT
    CASE WHEN s.since < v_now - v_too_long THEN 'problem' ELSE 'warning' END,
    CASE WHEN s.held IS NULL THEN 'idle_in_transaction' ELSE 'snapshot_held' END,
    format('pid %s', s.pid),
    format('A transaction of user %s%s %s, state %s%s.',
      COALESCE(s.usename::text, '?'),
      COALESCE(', application ' || NULLIF(s.application_name, ''), ''),
      COALESCE('has been open since ' || s.since, 'has long been open (since when is hidden from ' || current_user || ')'),
      COALESCE(s.state, 'hidden'),
      CASE
        WHEN s.held IS NULL THEN ': what it has locked stays locked'
        ELSE format(': no row that has ended in the latest %s transactions can be cleared away, and claims pass over them', s.held)
      END),
    format('Have its owner end the transaction, or SELECT pg_terminate_backend(%s). idle_in_transaction_session_timeout ends forgotten ones.', s.pid)
  FROM (
    SELECT
      a.pid,
      a.usename,
      a.application_name,
      a.state,
      a.xact_start AS since,
      GREATEST(age(a.backend_xmin), age(a.backend_xid)) AS held
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database()
      AND a.pid <> pg_backend_pid()
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
  ) AS s
  WHERE (s.since < v_now - v_long AND (s.held IS NOT NULL OR s.state LIKE 'idle in transaction%'))
     OR (s.since IS NULL AND s.held > v_many);

  RETURN QUERY
  SELECT
    'note',
    'sessions_hidden',
    current_user::text,
    format('%s sessions of other users in this database are hidden from %s: whether they keep a transaction open is only known by its age in transactions.',
      count(*), current_user),
    format('GRANT pg_read_all_stats TO %I, or ask as somebody who has it.', session_user)
  FROM pg_stat_activity AS a
  WHERE a.datname = current_database()
    AND a.query = '<insufficient privilege>'
  HAVING count(*) > 0;
END
$$;

COMMENT ON FUNCTION long_task.doctor_sessions() IS
  'Findings about sessions whose transaction has been open for long.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_sessions', 'pg_tasks', 'changelog.xml', NOW(), 99, '9:5f82ff6c0898b6b52653a2be28ea6fdc', 'sqlFile path=procedures/doctor_sessions.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_settings::pg_tasks

-- doctor_settings: settings of the server, of this database and of roles that break a promise.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- reset_val is what a session of this role begins with, whatever this one has set for itself.
CREATE OR REPLACE FUNCTION long_task.doctor_settings()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lost_claim CONSTANT text := 'a crash takes commits back: a task that was inserted is lost, one that was started is started again beside its first process';
BEGIN
  RETURN QUERY
  SELECT r.severity, r.code, 'server'::text, format('%s is %s: %s.', s.name, s.reset_val, r.why), r.advice
  FROM (
    VALUES
      ('fsync', 'off', 'problem', 'not_durable', 'a crash of the machine can destroy the whole database',
        'ALTER SYSTEM RESET fsync; SELECT pg_reload_conf()'),
      ('full_page_writes', 'off', 'problem', 'not_durable', 'a crash of the machine can leave pages half written',
        'ALTER SYSTEM RESET full_page_writes; SELECT pg_reload_conf()'),
      ('synchronous_commit', 'off', 'problem', 'not_durable', v_lost_claim,
        'ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf(). Or ALTER DATABASE, ALTER ROLE, if it is set there.')
  ) AS r(name, bad, severity, code, why, advice)
  JOIN pg_settings AS s ON s.name = r.name AND s.reset_val = r.bad;

  RETURN QUERY
  SELECT 'warning', 'isolation_level', 'server',
    format('default_transaction_isolation is %s: people''s transactions do not see what they have to, and dependencies are refused in them; so are nodes, through a pooler.',
      s.reset_val),
    format('ALTER DATABASE %I SET default_transaction_isolation = ''read committed''', current_database())
  FROM pg_settings AS s
  WHERE s.name = 'default_transaction_isolation'
    AND s.reset_val IN ('repeatable read', 'serializable');

  RETURN QUERY
  SELECT 'problem', 'not_durable', format('role %s', o.rolname),
    format('synchronous_commit is off in its sessions: %s.', v_lost_claim),
    format('ALTER ROLE %I%s RESET synchronous_commit', o.rolname, ' IN DATABASE ' || quote_ident(d.datname))
  FROM pg_db_role_setting AS s
  JOIN pg_roles AS o ON o.oid = s.setrole
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
  WHERE (s.setdatabase = 0 OR d.datname = current_database())
    AND s.setconfig && ARRAY['synchronous_commit=off', 'synchronous_commit=false', 'synchronous_commit=0', 'synchronous_commit=no']
    AND o.rolname <> session_user;
END
$$;

COMMENT ON FUNCTION long_task.doctor_settings() IS
  'Findings about settings by which tasks may be lost or run twice, or people be refused.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_settings', 'pg_tasks', 'changelog.xml', NOW(), 100, '9:791791fa536283e93755835deb76d09f', 'sqlFile path=procedures/doctor_settings.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_snapshots::pg_tasks

-- doctor_snapshots: what holds back the clearing of dead rows, and is no session of this database.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Of standbys and slots nobody knows since when: they count from so many transactions on.
CREATE OR REPLACE FUNCTION long_task.doctor_snapshots()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_long     CONSTANT interval := interval '5 minutes';
  v_too_long CONSTANT interval := interval '1 hour';
  v_many     CONSTANT integer := 100000;
  v_now      timestamptz := long_task.clock();
BEGIN
  RETURN QUERY
  SELECT
    CASE WHEN p.prepared < v_now - v_too_long THEN 'problem' ELSE 'warning' END,
    'transaction_prepared',
    format('prepared transaction %s', p.gid),
    format('It was prepared by %s at %s and holds its locks and its snapshot, %s transactions old, until somebody ends it.',
      p.owner, p.prepared, age(p.transaction)),
    format('COMMIT PREPARED %L, or ROLLBACK PREPARED %L.', p.gid, p.gid)
  FROM pg_prepared_xacts AS p
  WHERE p.database = current_database()
    AND p.prepared < v_now - v_long;

  RETURN QUERY
  SELECT
    CASE WHEN s.active THEN 'warning' ELSE 'problem' END,
    'slot_holds_snapshot',
    format('replication slot %s', s.slot_name),
    format('It is %s and holds back the clearing of dead rows by %s transactions.',
      CASE WHEN s.active THEN 'in use' ELSE 'used by nobody' END, age(s.xmin)),
    CASE
      WHEN s.active THEN 'End long queries on the standby, or set hot_standby_feedback = off there.'
      ELSE format('If its standby does not come back: SELECT pg_drop_replication_slot(%L)', s.slot_name)
    END
  FROM pg_replication_slots AS s
  WHERE age(s.xmin) > v_many;

  RETURN QUERY
  SELECT
    'warning',
    'standby_holds_snapshot',
    format('standby %s', COALESCE(NULLIF(r.application_name, ''), r.pid::text)),
    format('By hot_standby_feedback it holds back the clearing of dead rows by %s transactions.', age(r.backend_xmin)),
    'End long queries on the standby, or set hot_standby_feedback = off there.'
  FROM pg_stat_replication AS r
  WHERE age(r.backend_xmin) > v_many;
END
$$;

COMMENT ON FUNCTION long_task.doctor_snapshots() IS
  'Findings about prepared transactions, replication slots and standbys that hold back the clearing of dead rows.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_snapshots', 'pg_tasks', 'changelog.xml', NOW(), 101, '9:3e02f74dcc8456c4608f07145706969c', 'sqlFile path=procedures/doctor_snapshots.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_vacuum::pg_tasks

-- doctor_vacuum: whether dead rows are cleared away, statistics are kept, and transaction numbers do not run out.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- By the counters of the server: no row of a table is read. Autovacuum looks once in autovacuum_naptime, so what has come
-- together since then is no delay yet. Of task_run each partition counts for itself, and the whole has nothing to clear away.
CREATE OR REPLACE FUNCTION long_task.doctor_vacuum()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_recent CONSTANT timestamptz := long_task.clock() - interval '10 minutes';
  v_freeze CONSTANT bigint := current_setting('autovacuum_freeze_max_age')::bigint;
  v_multi  CONSTANT bigint := current_setting('autovacuum_multixact_freeze_max_age')::bigint;
BEGIN
  RETURN QUERY
  SELECT 'problem', 'autovacuum_off', 'server', format('%s is off: nothing clears dead rows away.', s.name),
    format('ALTER SYSTEM SET %s = on; SELECT pg_reload_conf()', s.name)
  FROM pg_settings AS s
  WHERE s.name IN ('autovacuum', 'track_counts')
    AND s.reset_val = 'off';

  RETURN QUERY
  SELECT 'warning', 'autovacuum_off', format('table %s%s', c.relname, long_task.history_label(c.relname)),
    'Autovacuum is switched off for it: nothing clears its dead rows away.',
    format('ALTER TABLE %s RESET (autovacuum_enabled)', c.oid::regclass)
  FROM pg_class AS c
  CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
  WHERE c.relnamespace = 'long_task'::regnamespace
    AND o.option_name = 'autovacuum_enabled'
    AND NOT o.option_value::boolean;

  RETURN QUERY
  SELECT 'warning', v.code, format('table %s%s', t.relname, long_task.history_label(t.relname)), v.found, format(v.advice, t.oid::regclass)
  FROM (
    SELECT
      c.oid,
      c.relname,
      c.reltuples,
      pg_stat_get_dead_tuples(c.oid) AS dead,
      long_task.table_option(c.reloptions, 'autovacuum_vacuum_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_vacuum_scale_factor') * GREATEST(c.reltuples, 0) AS allowed,
      GREATEST(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) AS vacuumed,
      pg_stat_get_mod_since_analyze(c.oid) AS changed,
      long_task.table_option(c.reloptions, 'autovacuum_analyze_threshold')
        + long_task.table_option(c.reloptions, 'autovacuum_analyze_scale_factor') * GREATEST(c.reltuples, 0) AS changeable,
      GREATEST(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) AS analyzed
    FROM pg_class AS c
    WHERE c.relnamespace = 'long_task'::regnamespace
      AND c.relkind = 'r'
  ) AS t
  CROSS JOIN LATERAL (
    VALUES
      ('vacuum_behind', t.dead > 10000 AND t.dead > 3 * t.allowed AND (t.vacuumed > v_recent) IS NOT TRUE,
        format('%s dead rows, and autovacuum should begin at %s; the latest VACUUM was %s.',
          t.dead, round(t.allowed), COALESCE('at ' || t.vacuumed, 'never, as far as is known')),
        'VACUUM %s. If it comes again: autovacuum_max_workers, autovacuum_vacuum_cost_limit, or somebody who holds a snapshot.'),
      ('statistics_old', t.changed > 100000 AND t.changed > 3 * t.changeable AND (t.analyzed > v_recent) IS NOT TRUE,
        format('%s rows have changed since the latest ANALYZE (%s): plans are made for another table.',
          t.changed, COALESCE('at ' || t.analyzed, 'never, as far as is known')),
        'ANALYZE %s')
  ) AS v(code, holds, found, advice)
  WHERE v.holds;

  RETURN QUERY
  SELECT
    CASE WHEN GREATEST(age(d.datfrozenxid), mxid_age(d.datminmxid)) > 1500000000 THEN 'problem' ELSE 'warning' END,
    'wraparound_near',
    format('database %s', d.datname),
    format('Its oldest transaction number is %s transactions old (multixact: %s); at some two billions it takes no more writes.',
      age(d.datfrozenxid), mxid_age(d.datminmxid)),
    'End what holds old snapshots (if there is any, it is among these findings), then VACUUM (FREEZE), as the owner of all tables.'
  FROM pg_database AS d
  WHERE d.datname = current_database()
    AND (age(d.datfrozenxid) > LEAST(1.5 * v_freeze, 1000000000) OR mxid_age(d.datminmxid) > LEAST(1.5 * v_multi, 1000000000));
END
$$;

COMMENT ON FUNCTION long_task.doctor_vacuum() IS
  'Findings about autovacuum, statistics, and the age of transaction numbers.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_vacuum', 'pg_tasks', 'changelog.xml', NOW(), 102, '9:6f9b9a8621d72a00a5460737b6a5d4f2', 'sqlFile path=procedures/doctor_vacuum.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/doctor_workers::pg_tasks

-- doctor_workers: workers whose tasks count as running though nobody runs them, and those that drain without end.
--
-- Called by  doctor
-- Locks      nothing
-- Raises     nothing
--
-- Every live node gives back what others have lost, once it has waited for the end of their leases itself: a whole lease
-- and the delay. Where no node is live, nobody does.
CREATE OR REPLACE FUNCTION long_task.doctor_workers()
RETURNS SETOF long_task.finding
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_hour   CONSTANT interval := interval '1 hour';
  v_now    timestamptz := long_task.clock();
  v_served boolean := EXISTS (SELECT FROM long_task.worker_lease AS l WHERE l.active AND l.locked_until > v_now);
  v_last   bigint := -2147483649; -- less than any id
  v_lease  long_task.worker_lease;
  v_worker integer;
  v_stop   smallint;
  v_tasks  bigint;
  v_latest timestamptz;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    SELECT t.running_on INTO v_worker
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL AND t.running_on > v_last
    ORDER BY t.running_on
    LIMIT 1;
    EXIT WHEN v_worker IS NULL;
    v_last := v_worker;
    SELECT l.* INTO v_lease FROM long_task.worker_lease AS l WHERE l.worker_id = v_worker;
    v_stop := (SELECT s.stop FROM long_task.worker_stop AS s WHERE s.worker_id = v_worker);
    CONTINUE WHEN v_lease.active AND v_lease.locked_until > v_now AND COALESCE(v_stop, 0) < 2;
    SELECT count(*), max(r.started) INTO v_tasks, v_latest
    FROM (SELECT t.started FROM long_task.task AS t WHERE t.running_on = v_worker LIMIT 1001) AS r;

    IF v_lease.active AND v_lease.locked_until > v_now THEN
      IF v_latest < v_now - v_hour THEN
        RETURN NEXT ('warning', 'worker_drains', format('worker %s', v_worker),
          format('It has stop = %s, and leaves when its tasks have ended: %s, the latest of them started at %s.',
            v_stop, long_task.counted(v_tasks), v_latest),
          format('Wait, cancel them (stop = 3), or take it back: UPDATE long_task.worker SET stop = 0 WHERE id = %s', v_worker)
        )::long_task.finding;
      END IF;
    ELSIF NOT COALESCE(v_lease.active, false)
       OR long_task.lease_over_at(v_lease) < v_now
         - v_served::integer * (v_lease.lease_duration + v_lease.recovery_delay) THEN
      RETURN NEXT ('problem', 'worker_failed', format('worker %s', v_worker),
        format('Tasks that count as running: %s; no node holds the worker%s.', long_task.counted(v_tasks),
          CASE WHEN v_lease.active THEN ' since ' || v_lease.locked_until ELSE '' END),
        CASE
          WHEN v_served THEN 'Look for a transaction that holds their rows, among these findings and in pg_locks. '
          ELSE 'Start a node, of any group: it gives them back. '
        END || format('If need be, as the owner of the schema: SELECT long_task.recover_worker_tasks(%s)', v_worker)
      )::long_task.finding;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.doctor_workers() IS
  'Findings about workers that have failed and whose tasks nobody gives back, and about those that drain for long.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/doctor_workers', 'pg_tasks', 'changelog.xml', NOW(), 103, '9:ef27bf475ba4cb4456a1439875e96e43', 'sqlFile path=procedures/doctor_workers.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/drop_history::pg_tasks

-- drop_history: drop the oldest partition of task_run, if history need not be kept for so long.
--
-- Called by  maintain_step
-- Locks      task_run and the partition in ACCESS EXCLUSIVE mode, until the end of the transaction. What it cannot have in 20 ms it does
--            without, because reports and readers queue behind it meanwhile.
-- Raises     nothing that is not a trouble of the database's own
--
-- All of a partition was written before it was closed, and had ended before that.
--
-- dropped  whether a partition is gone
-- held     whether it is time for one, but somebody reads history, or something of somebody's own depends on it
CREATE OR REPLACE FUNCTION long_task.drop_history(
  OUT dropped boolean,
  OUT held    boolean
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_now    timestamptz := long_task.clock();
  v_policy long_task.history_retention;
  v_first  long_task.task_run_part;
BEGIN
  dropped := false;
  held := false;
  SELECT h.* INTO v_policy
  FROM long_task.history_retention AS h;
  SELECT p.* INTO v_first
  FROM long_task.task_run_part AS p
  WHERE p.ended IS NOT NULL
  ORDER BY p.part
  LIMIT 1;
  IF (
    v_first.ended + v_policy.keep <= v_now
    OR v_first.part IS NOT NULL AND v_policy.keep_rows <= (
      SELECT sum(long_task.history_rows(p.part))
      FROM long_task.task_run_part AS p
      WHERE p.part > v_first.part
    )
  ) IS NOT TRUE THEN
    RETURN;
  END IF;
  EXECUTE format('DROP TABLE long_task.%I', format('task_run_%s', v_first.part));
  DELETE FROM long_task.task_run_part AS p
  WHERE p.part = v_first.part;
  dropped := true;
EXCEPTION
  WHEN lock_not_available OR dependent_objects_still_exist THEN
    held := true;
    PERFORM long_task.note_maintenance(format('history stays for now: %s', SQLERRM));
END
$$;

COMMENT ON FUNCTION long_task.drop_history() IS
  'Drop the oldest partition of task_run, if it need not be kept. Returns whether that was done, and whether somebody stands in the way.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/drop_history', 'pg_tasks', 'changelog.xml', NOW(), 104, '9:77104a411a395720c135d7978c9b7979', 'sqlFile path=procedures/drop_history.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/due_starts::pg_tasks

-- due_starts: decide which starts a schedule that is due makes now, and how it goes on.
--
-- Called by  fire_tasks
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- Whatever has come due by now is one start, the latest of them, unless each is to be run. A start that is too
-- late (missed_after) is given up, but not one that has waited for the start before it to end.
--
-- queue_for   the task itself is queued, for this time of its schedule; null: it is not
-- copies      copies of it are queued, for these times; at most 20 at once and 8 MiB in all, the
--             rest is due again at once
-- next_start  when it is due again; null: never
-- waiting     next_start has come, and waits for the task to end
CREATE OR REPLACE FUNCTION long_task.due_starts(
  p_schedule     long_task.schedule,
  p_now          timestamptz,
  OUT queue_for  timestamptz,
  OUT copies     timestamptz[],
  OUT next_start timestamptz,
  OUT waiting    boolean
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience CONSTANT interval := interval '1 minute';
  v_enough   CONSTANT bigint := 8388608;
  v_copies   integer := GREATEST(1, LEAST(20, v_enough / p_schedule.copy_bytes));
  v_each     boolean := p_schedule.missed IS NOT DISTINCT FROM 'run each';
  v_oldest   timestamptz := p_now
    - COALESCE(p_schedule.missed_after, CASE WHEN p_schedule.missed = 'skip' THEN v_patience END);
  v_end      timestamptz := LEAST(p_now, p_schedule.until);
  v_start    timestamptz := p_schedule.next_start;
  v_starts   timestamptz[] := ARRAY[]::timestamptz[];
  v_what     text := CASE
    WHEN p_schedule.shed_clone THEN
      CASE WHEN p_schedule.overlap = 'skip' AND EXISTS (
        SELECT
        FROM long_task.task AS c
        WHERE c.shed_parent_id = p_schedule.task_id
          AND c.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC')
      ) THEN 'skip' ELSE 'copy' END
    WHEN p_schedule.state_id IN ('CS', 'CF', 'CC') THEN 'queue'
    WHEN p_schedule.state_id = 'DR' THEN 'skip'
    WHEN p_schedule.overlap = 'clone' THEN 'copy'
    WHEN p_schedule.overlap = 'queue one' OR v_each THEN 'wait'
    ELSE 'skip'
  END;
  -- Each is to be run, one after the other, by the task itself.
  v_in_turn  boolean := v_each AND v_what IN ('queue', 'wait') AND p_schedule.overlap IS DISTINCT FROM 'clone';
BEGIN
  IF v_start < v_oldest AND p_schedule.shed_waiting IS NULL THEN
    v_start := long_task.next_start_after(p_schedule, v_oldest - interval '1 microsecond');
  END IF;
  next_start := CASE WHEN (v_start > p_schedule.until) IS NOT TRUE THEN v_start END;
  IF (next_start <= v_end) IS NOT TRUE THEN
    RETURN; -- all were given up, or the schedule is over
  END IF;

  IF v_each THEN
    LOOP
      v_starts := v_starts || next_start;
      next_start := long_task.next_start_after(p_schedule, next_start);
      EXIT WHEN (next_start <= v_end) IS NOT TRUE;
      EXIT WHEN cardinality(v_starts) = CASE WHEN v_in_turn THEN 1 ELSE v_copies END;
    END LOOP;
  ELSE
    v_starts := ARRAY[next_start];
    next_start := long_task.next_start_after(p_schedule, next_start);
    IF next_start <= v_end THEN
      v_starts := ARRAY[long_task.latest_start(p_schedule, next_start, v_end)];
      next_start := long_task.next_start_after(p_schedule, v_starts[1]);
    END IF;
  END IF;

  CASE v_what
    WHEN 'queue' THEN
      queue_for := v_starts[1];
      copies := v_starts[2:];
      waiting := CASE WHEN v_in_turn AND next_start <= v_end THEN true END;
    WHEN 'copy' THEN
      copies := v_starts;
    WHEN 'wait' THEN
      next_start := v_starts[1];
      waiting := true;
    WHEN 'skip' THEN
      NULL;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.due_starts(long_task.schedule, timestamptz) IS
  'Which starts a task''s schedule makes at a time: of the task itself, of copies; and when it is due again.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/due_starts', 'pg_tasks', 'changelog.xml', NOW(), 105, '9:9f896d13905c69ba04467d880e94bbfe', 'sqlFile path=procedures/due_starts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/end_lease::pg_tasks

-- end_lease: close the lease of a worker whose node is gone, and write off what it has left behind.
--
-- Called by  lock_worker, leave_worker, recover_watched, recover_worker_tasks, change_worker, under a
--            lock of the lease's row.
-- Locks      the lease's row; task rows, as finish_attempts does.
-- Raises     nothing
--
-- p_reports are ends that somebody still knows of, as finish_attempts takes them.
--
-- Returns how many attempts were lost. Null: rows are left that somebody holds in an open transaction; then
-- the lease still is the node's, though over, and this is to be called again.
CREATE OR REPLACE FUNCTION long_task.end_lease(
  p_lease   long_task.worker_lease,
  p_reports json DEFAULT '[]'
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lost integer := long_task.write_off_attempts(p_lease.worker_id, p_reports);
  v_left boolean := EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_lease.worker_id);
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    active = l.active AND v_left,
    task_count = 0,
    locked_until = LEAST(l.locked_until, long_task.clock())
  WHERE l.worker_id = p_lease.worker_id;
  RETURN CASE WHEN NOT v_left THEN v_lost END;
END
$$;

COMMENT ON FUNCTION long_task.end_lease(long_task.worker_lease, json) IS
  'Close a lease and write off what was left behind. Returns how many attempts were lost; null: call again.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/end_lease', 'pg_tasks', 'changelog.xml', NOW(), 106, '9:a1e3a7e4a3535f664bc5bb5796cd4c23', 'sqlFile path=procedures/end_lease.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/enter_task::pg_tasks

-- enter_task: see to a row that enters the table as more than a draft or a plain waiting row.
--
-- Called by  trigger enter_task on task, before INSERT; its WHEN lets plain rows pass without a call.
-- Locks      nothing
-- Raises     LT003 illegal transition, LT004 bad value
CREATE OR REPLACE FUNCTION long_task.enter_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.state_id NOT IN ('DR', 'AW') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT003',
      MESSAGE = format('a task cannot begin in state %s', quote_literal(NEW.state_id)),
      HINT = 'Insert it as DR (draft) or AW (waiting).';
  END IF;
  IF NEW.running_on IS NOT NULL OR NEW.attempt <> 0 OR NEW.base_attempt <> 0 THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = 'running_on, attempt and base_attempt are written by the system',
      HINT = 'Leave these columns out of the INSERT.';
  END IF;
  IF NEW.state_id = 'AW' AND NEW.start_after > long_task.clock() THEN
    NEW.state_id := 'AD';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.enter_task() IS
  'Trigger: refuse states that a task cannot begin in; turn a waiting task with a later start into a delayed one.';

CREATE OR REPLACE TRIGGER enter_task
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (
  NEW.state_id NOT IN ('DR', 'AW')
  OR NEW.start_after IS NOT NULL
  OR NEW.running_on IS NOT NULL
  OR NEW.attempt <> 0
  OR NEW.base_attempt <> 0
)
EXECUTE FUNCTION long_task.enter_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/enter_task', 'pg_tasks', 'changelog.xml', NOW(), 107, '9:a044f1f4b569df5d4e8d5e774f6ae3f3', 'sqlFile path=procedures/enter_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/fill_in::pg_tasks

-- fill_in: put values into the places of a command that ask for them.
--
-- Called by  order_with_results with results, begin_run with parameters
-- Locks      nothing
-- Raises     LT013 there is no such value
--
-- %WORD:name% becomes the whole value of that name, %WORD:name.path.to% what is found there; a number in the path is an
-- index. What has been filled in is not looked at again.
--
-- p_word    RESULT or PARAM
-- p_values  object of values by name
CREATE OR REPLACE FUNCTION long_task.fill_in(
  p_command text[],
  p_word    text,
  p_values  jsonb
)
RETURNS text[]
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_command text[] := p_command;
  v_pattern text := '%' || p_word || ':([^%]+)%';
  v_limit   CONSTANT integer := 131072;
  v_most    CONSTANT integer := 1000;
  v_bytes   bigint := 0;
  v_places  integer := 0;
  v_rest    text;
  v_filled  text;
  v_asked   text;
  v_name    text;
  v_value   text;
BEGIN
  FOR v_place IN 1 .. cardinality(p_command) LOOP
    v_rest := p_command[v_place];
    CONTINUE WHEN v_rest !~ v_pattern;
    v_filled := '';
    LOOP
      v_asked := substring(v_rest FROM v_pattern);
      EXIT WHEN v_asked IS NULL;
      SELECT max(r.name) INTO v_name
      FROM jsonb_object_keys(p_values) AS r(name)
      WHERE v_asked = r.name
         OR starts_with(v_asked, r.name || '.');
      v_value := CASE
        WHEN v_asked = v_name THEN long_task.plain_text(p_values -> v_name)
        ELSE p_values -> v_name #>> string_to_array(substr(v_asked, length(v_name) + 2), '.')
      END;
      IF v_value IS NULL THEN
        PERFORM long_task.refuse('LT013', format('command asks for %%%s:%s%%, and there is none', p_word, v_asked),
          format('There are values of %s.',
            COALESCE((SELECT string_agg(r.name, ', ') FROM jsonb_object_keys(p_values) AS r(name)), 'nothing')));
      END IF;
      v_asked := '%' || p_word || ':' || v_asked || '%';
      v_filled := v_filled || left(v_rest, strpos(v_rest, v_asked) - 1) || v_value;
      v_rest := substr(v_rest, strpos(v_rest, v_asked) + length(v_asked));
      v_bytes := v_bytes + octet_length(v_value);
      v_places := v_places + 1;
      IF v_bytes > v_limit OR v_places > v_most THEN
        PERFORM long_task.refuse('LT013', format('command asks for more than %s bytes or at more than %s places', v_limit, v_most),
          'Pass it in params or on stdin.');
      END IF;
    END LOOP;
    v_command[v_place] := v_filled || v_rest;
  END LOOP;
  RETURN v_command;
END
$$;

COMMENT ON FUNCTION long_task.fill_in(text[], text, jsonb) IS
  'A command with each %WORD:name.path% replaced by what is found there among values by name.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/fill_in', 'pg_tasks', 'changelog.xml', NOW(), 108, '9:629d48caf6aa43d20e7ac305eefdf7a7', 'sqlFile path=procedures/fill_in.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/find_next_start::pg_tasks

-- find_next_start: find the first start of a schedule that a person has written.
--
-- Called by  triggers on task, before INSERT and before UPDATE of what a schedule consists of, after the checks
--            and before move_task, in the order of their names. Plain rows, and the writes of procedures, pass
--            without a call.
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- A cron line begins with its first start from now on, or from the next_start that is given with it. An interval
-- begins with next_start and is counted from there, also when it goes on after its end was put off. A schedule that
-- was paused goes on with its first start from now on: what fell into the pause was not wanted. Only a single start
-- is kept.
CREATE OR REPLACE FUNCTION long_task.find_next_start()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock() - interval '1 microsecond'; -- so that a start at this instant is one
  v_given   boolean := NEW.next_start IS NOT NULL;
  v_other   boolean := true; -- another schedule than before
  v_again   boolean := false; -- one that was paused
  v_longer  boolean := false; -- one whose end was put off
  v_period  boolean := false; -- another interval
  v_message text;
  v_hint    text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_given := v_given AND NEW.next_start IS DISTINCT FROM OLD.next_start;
    v_other := NEW.cron IS DISTINCT FROM OLD.cron OR NEW.time_zone IS DISTINCT FROM OLD.time_zone;
    v_again := NEW.shed_enabled AND NOT OLD.shed_enabled AND NEW.next_start <= v_now AND NOT v_given;
    v_longer := NEW.until IS DISTINCT FROM OLD.until AND NEW.next_start IS NULL AND NEW.shed_anchor IS NOT NULL;
    v_period := NEW.shed_period_id IS DISTINCT FROM OLD.shed_period_id
      OR NEW.shed_period_count IS DISTINCT FROM OLD.shed_period_count;
    -- A start that waits for an end goes on waiting, unless it is judged by something else now.
    IF v_given OR v_other OR v_period OR NEW.next_start IS NULL OR NEW.shed_enabled <> OLD.shed_enabled
       OR NEW.shed_clone <> OLD.shed_clone OR NEW.missed IS DISTINCT FROM OLD.missed
       OR NEW.overlap IS DISTINCT FROM OLD.overlap THEN
      NEW.shed_waiting := NULL;
    END IF;
    IF NEW.shed_enabled THEN
      NEW.shed_error := NULL;
    END IF;
    IF NEW.cron IS NULL AND OLD.cron IS NOT NULL AND NOT v_given THEN
      NEW.next_start := NULL;
    END IF;
    IF NEW.next_start IS NULL AND OLD.next_start IS NOT NULL THEN
      NEW.shed_anchor := NULL;
    END IF;
  END IF;
  IF v_given OR v_period AND NEW.next_start IS NOT NULL THEN
    NEW.shed_anchor := NEW.next_start;
  END IF;
  IF v_other AND NEW.cron IS NULL THEN
    NEW.cron_fields := NULL;
  ELSIF v_other THEN
    BEGIN
      NEW.cron_fields := long_task.parse_cron(NEW.cron);
    EXCEPTION
      WHEN SQLSTATE 'LT007' THEN
        -- Raised anew, so that people see one line of context.
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
    END;
    IF v_message IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'LT007', MESSAGE = v_message, HINT = v_hint;
    END IF;
  END IF;

  IF NEW.cron IS NOT NULL AND v_given THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), NEW.next_start - interval '1 microsecond');
  ELSIF v_longer AND NOT v_other THEN
    NEW.next_start := long_task.next_start_after(
      long_task.schedule_of(NEW), GREATEST(v_now, NEW.shed_anchor - interval '1 microsecond'));
  ELSIF v_again AND NEW.shed_period_id IS NOT NULL
     OR NEW.cron IS NOT NULL AND (v_other OR v_again OR NEW.next_start IS NULL) THEN
    NEW.next_start := long_task.next_start_after(long_task.schedule_of(NEW), v_now);
  END IF;
  IF NEW.cron IS NOT NULL AND v_other AND NEW.next_start IS NULL
     AND long_task.cron_time_after(NEW.cron_fields, NEW.time_zone, v_now) IS NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT007',
      MESSAGE = format('the time of cron %s never comes', quote_literal(NEW.cron)),
      HINT = 'No month it names has the day it names.';
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.find_next_start() IS
  'Trigger: find the first start of a schedule that a person has written, changed or resumed.';

CREATE OR REPLACE TRIGGER find_first_start
BEFORE INSERT ON long_task.task
FOR EACH ROW
WHEN (NEW.next_start IS NOT NULL OR NEW.cron IS NOT NULL)
EXECUTE FUNCTION long_task.find_next_start();

CREATE OR REPLACE TRIGGER find_next_start
BEFORE UPDATE OF
  next_start, cron, time_zone, shed_period_id, shed_period_count, shed_clone, shed_enabled, missed, missed_after,
  overlap, until
ON long_task.task
FOR EACH ROW
WHEN (NEW.running_on IS NOT DISTINCT FROM OLD.running_on AND NEW.queued_by <> 'system')
EXECUTE FUNCTION long_task.find_next_start();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/find_next_start', 'pg_tasks', 'changelog.xml', NOW(), 109, '9:68981b49ab34fd41496576d80ddf5bd4', 'sqlFile path=procedures/find_next_start.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/finish_attempts::pg_tasks

-- finish_attempts: write down how attempts of a worker ended, and decide how their tasks go on.
--
-- Called by  sync with the reports of the node, write_off_attempts with reports and losses.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED, so in any order. A row that a person holds in an
--            open transaction is passed over: its report is returned, to be handed in again, instead of
--            holding up all others.
-- Raises     nothing
--
-- A report changes a row only while that row still is in the reported attempt on this worker; so a
-- report can be repeated, and a late one does no harm. The whole rule of retries is here, but for lost
-- attempts about which somebody else has decided already (ruled): those go on after retry_in seconds, or not.
-- For the same reason there is one row of history for an attempt at most: it is written by the statement that
-- clears running_on, which is set once for each number, and for the rows only that this has changed. ON CONFLICT is a
-- second guard, within a partition.
--
-- A row that was queued again while its process still ran is in another round (base_attempt), whatever has become of it since:
-- how that process ends is in its history, and not in the row.
--
-- One that was claimed ahead and given back has never been an attempt: it goes to the front of its priority, where it
-- was claimed, and leaves no history, and its number is taken back, which no process has ever had. (At its old place
-- nobody may look any more: note_gaps.) If it was cancelled meanwhile, it is an attempt that ended before it was started.
--
-- The settings keep the plan on the primary key, one row for each report, however many rows there are,
-- and keep it: planning these statements costs as much as running them. Locking, history and update
-- are one statement for the same reason; what is locked is the newest version of a row, and the verdict is
-- about that one, or left to a second statement.
--
-- Returns the reports that have to be handed in again, as an array of task ids.
CREATE OR REPLACE FUNCTION long_task.finish_attempts(
  p_worker_id integer,
  p_reports   json
)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_now       timestamptz := long_task.clock();
  v_node      text;
  v_part      integer;
  v_reported  integer := json_array_length(p_reports);
  v_reports   json := p_reports;
  v_ids       bigint[];
  v_again     bigint[];
  v_ready     bigint[];
  v_settle    bigint[];
  v_keys      text[];
  v_groups    integer[];
BEGIN
  SELECT l.node_name, p.part INTO v_node, v_part
  FROM (SELECT max(r.part) AS part FROM long_task.task_run_part AS r) AS p
  LEFT JOIN long_task.worker_lease AS l ON l.worker_id = p_worker_id;

  -- Whoever writes a row between the statement's snapshot and the lock makes a version that its UPDATE does not find. It
  -- is locked then, so a second statement finds it: else a task that is written to all the time might never end.
  FOR v_turn IN 1..2 LOOP
    WITH report AS MATERIALIZED (
      SELECT
        t.id,
        t.version,
        t.group_id,
        t.state_id AS old_state_id,
        COALESCE(t.run_queued_by, t.queued_by) AS started_by,
        CASE WHEN t.run_queued_by IS NULL THEN t.scheduled_for ELSE t.run_scheduled_for END AS scheduled_for,
        t.pinned,
        t.worker_id,
        t.retry_delay,
        t.attempt - t.base_attempt AS failures,
        t.max_attempts,
        r.*,
        v_now - make_interval(secs => r.ended_ago) AS ended,
        COALESCE(v_now - make_interval(secs => r.started_ago), t.started, v_now) AS began,
        long_task.describe_end(r.reason, r.error, r.exit_code, r.signal, r.core_dumped, r.timeout) AS why
      FROM json_to_recordset(v_reports) AS r(
        task_id        bigint,
        attempt        integer,
        pid            integer,
        exit_code      smallint,
        signal         smallint,
        core_dumped    boolean,
        reason         text,
        timeout        double precision,
        error          text,
        started_ago    double precision,
        ended_ago      double precision,
        user_seconds   real,
        system_seconds real,
        peak_memory    bigint,
        output         text,
        result         text,
        given_back     boolean,
        ruled          boolean,
        retry_in       double precision
      )
      CROSS JOIN LATERAL (
        SELECT w.*, w.ctid AS version
        FROM long_task.task AS w
        WHERE w.id = r.task_id
          AND w.attempt = r.attempt
          -- No equality: the index of all that runs would look as good as the primary key, while little runs.
          AND w.running_on IS NOT DISTINCT FROM p_worker_id
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS t
    ),
    verdict AS (
      SELECT
        r.*,
        CASE
          WHEN r.old_state_id = 'AC' THEN 'CC'
          WHEN r.old_state_id IN ('AE', 'AS') THEN CASE WHEN r.why IS NULL THEN 'CS' ELSE 'CF' END
          WHEN r.old_state_id LIKE 'C%' AND r.failures > 0 THEN r.old_state_id
          ELSE CASE WHEN r.why IS NULL THEN 'CS' ELSE 'CF' END
        END AS run_state_id,
        r.old_state_id = 'AE' AND r.given_back IS TRUE AS unstarted,
        r.old_state_id = 'AE' AND r.why IS NOT NULL AND r.given_back IS NOT TRUE AND CASE
          WHEN r.ruled THEN r.retry_in IS NOT NULL
          ELSE r.failures < r.max_attempts
        END AS again
      FROM report AS r
    ),
    ended AS (
      UPDATE long_task.task AS t
      SET
        running_on = NULL,
        run_queued_by = NULL,
        run_scheduled_for = NULL,
        state_id = CASE
          WHEN v.unstarted THEN 'AW'
          WHEN v.again THEN
            CASE WHEN COALESCE(make_interval(secs => v.retry_in), v.retry_delay) > interval '0' THEN 'AD' ELSE 'AW' END
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') THEN v.run_state_id
          ELSE t.state_id
        END,
        last_state_change = CASE
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') THEN v_now
          ELSE t.last_state_change
        END,
        started = CASE WHEN NOT v.unstarted THEN t.started END,
        finished = CASE WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND NOT v.unstarted THEN v.ended ELSE t.finished END,
        attempt = CASE WHEN v.unstarted THEN t.attempt - 1 ELSE t.attempt END,
        start_after = CASE
          WHEN v.again THEN
            v_now + COALESCE(make_interval(secs => v.retry_in), long_task.retry_delay_after(v.failures, v.retry_delay))
          ELSE t.start_after
        END,
        queued_by = CASE WHEN v.again THEN 'retry' ELSE t.queued_by END,
        worker_id = CASE WHEN (v.again OR v.unstarted) AND NOT v.pinned THEN NULL ELSE t.worker_id END,
        ready_seq = CASE
          WHEN v.unstarted THEN long_task.front_place()
          WHEN v.again OR t.state_id = 'AW' THEN nextval('long_task.ready_seq')
          ELSE t.ready_seq
        END,
        exit_code = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.exit_code ELSE v.exit_code END,
        signal = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.signal ELSE v.signal END,
        error = CASE WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND NOT v.unstarted THEN v.why ELSE t.error END,
        output = CASE WHEN v.failures = 0 OR v.old_state_id IN ('AW', 'AD', 'AB', 'DR') THEN t.output ELSE v.output END,
        result = CASE
          WHEN v.old_state_id IN ('AE', 'AS', 'AC') AND v.result IS NOT NULL THEN
            long_task.parse_result(v.result)
          WHEN v.old_state_id LIKE 'C%' AND v.failures > 0 AND v.result IS NOT NULL AND t.result IS NULL THEN
            long_task.parse_result(v.result)
          ELSE t.result
        END
      FROM verdict AS v
      -- By id, the whole primary key would be read for this join if the table was small when the plan was made.
      WHERE t.ctid = v.version
      RETURNING
        t.id, t.state_id, t.group_id, t.has_needs, t.has_dependents, t.concurrency_key,
        v.attempt, v.pid, v.began, v.ended, v.run_state_id, v.exit_code, v.signal, v.why, v.output, v.user_seconds,
        v.system_seconds, v.peak_memory, v.started_by, v.scheduled_for, v.unstarted
    ),
    history AS (
      INSERT INTO long_task.task_run (
        task_id, attempt, group_id, worker_id, node_name, pid, started, finished, state_id, exit_code, signal,
        error, output, user_seconds, system_seconds, peak_memory, started_by, scheduled_for, part
      )
      SELECT
        e.id, e.attempt, e.group_id, p_worker_id, v_node, e.pid, e.began, e.ended, e.run_state_id, e.exit_code,
        e.signal, e.why, e.output, e.user_seconds, e.system_seconds, e.peak_memory, e.started_by,
        e.scheduled_for, v_part
      FROM ended AS e
      WHERE NOT e.unstarted
      ON CONFLICT DO NOTHING
    )
    SELECT
      COALESCE(array_agg(e.id), ARRAY[]::bigint[]),
      array_agg(e.id) FILTER (WHERE e.state_id IN ('AW', 'AD')),
      array_agg(e.id) FILTER (
        WHERE e.has_dependents AND e.state_id LIKE 'C%' OR e.has_needs AND e.state_id IN ('AW', 'AD')
      ),
      array_agg(e.concurrency_key) FILTER (WHERE e.concurrency_key IS NOT NULL),
      array_agg(e.group_id)
    INTO v_ids, v_ready, v_settle, v_keys, v_groups
    FROM ended AS e;

    IF v_ready IS NOT NULL THEN
      PERFORM CASE
        WHEN n.worker_id IS NULL THEN long_task.announce_ready(n.group_id, n.count)
        ELSE long_task.announce(n.group_id, n.worker_id)
      END
      FROM (
        SELECT
          t.group_id,
          t.worker_id,
          count(*) AS count
        FROM long_task.task AS t
        WHERE t.id = ANY (v_ready)
        GROUP BY t.group_id, t.worker_id
      ) AS n;
    END IF;
    IF v_settle IS NOT NULL THEN
      PERFORM long_task.settle_tasks(v_settle);
    END IF;
    IF v_keys IS NOT NULL THEN
      PERFORM long_task.free_keys(ARRAY(SELECT DISTINCT k.key FROM unnest(v_keys) AS k(key) ORDER BY k.key));
    END IF;
    PERFORM long_task.announce(g.group_id, NULL)
    FROM long_task.group_limit AS g
    WHERE g.group_id = ANY (v_groups);
    IF cardinality(v_ids) = v_reported THEN
      RETURN ARRAY[]::bigint[];
    END IF;

    -- Asked before the deleted ones are looked for: what is deleted in between is handed in again.
    v_again := ARRAY(
      SELECT t.id
      FROM json_to_recordset(v_reports) AS r(task_id bigint, attempt integer)
      JOIN long_task.task AS t ON t.id = r.task_id
      WHERE t.running_on = p_worker_id
        AND t.attempt = r.attempt
    );
    EXIT WHEN v_turn = 2 OR v_again = '{}';
    v_reports := (
      SELECT json_agg(r.report)
      FROM json_array_elements(v_reports) AS r(report)
      WHERE (r.report ->> 'task_id')::bigint = ANY (v_again)
    );
  END LOOP;
  PERFORM long_task.finish_deleted_attempts(p_worker_id, v_node, p_reports, v_part);
  RETURN v_again;
END
$$;

COMMENT ON FUNCTION long_task.finish_attempts(integer, json) IS
  'Write down how attempts ended and decide how their tasks go on. Returns the tasks whose report has to be handed in again.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/finish_attempts', 'pg_tasks', 'changelog.xml', NOW(), 110, '9:e7befb5c25211f78d6adae3f32395b23', 'sqlFile path=procedures/finish_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/first_at_post::pg_tasks

-- first_at_post: at which of the first posts of a group somebody stands.
--
-- Called by  announce_ready
-- Locks      the posts before it (advisory locks, shared, until the end of the transaction), at which nobody does; without
--            waiting
-- Raises     nothing
--
-- More than the sentries' posts, because the sentries may have died together: then one of those behind them is called.
--
-- Returns its number; null: nobody is there, and nobody can come before the transaction ends.
CREATE OR REPLACE FUNCTION long_task.first_at_post(p_group_id integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_behind CONSTANT integer := 6;
BEGIN
  FOR v_post IN 0 .. long_task.sentries() + v_behind - 1 LOOP
    IF NOT pg_try_advisory_xact_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      RETURN v_post;
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.first_at_post(integer) IS
  'At which of the first posts of a group a node stands, for as long as nobody can take those before it; null: at none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/first_at_post', 'pg_tasks', 'changelog.xml', NOW(), 111, '9:70615f9496b60e58fc1efe132240d65c', 'sqlFile path=procedures/first_at_post.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/fire_schedules::pg_tasks

-- fire_schedules: start what is due by schedule.
--
-- Called by  catch_up, of whichever node comes first.
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of next_start.
-- Raises     nothing
--
-- A task that has ended is queued again. A start that finds it active is skipped, or made by a copy, or waits
-- for its end; one that finds a draft is skipped. Of a template (shed_clone) each start is a copy. The rules are in
-- due_starts. The schedule moves on in the same transaction under the row's lock: so each start is made once.
--
-- A task whose schedule cannot be evaluated any more, or of which no copy can be written, must not keep all
-- others, and all nodes, from going on: its schedule is paused, and shed_error says why.
-- After an error that has nothing to do with the row, a full disk or a deadlock, it is tried again a little later.
--
-- p_limit  how many schedules are looked at at once. It ends after half a second, because the node that calls has to
--          renew its lease; what is left is fired by the next call.
--
-- Returns the seconds until there is something to fire again; null: nothing is scheduled.
CREATE OR REPLACE FUNCTION long_task.fire_schedules(p_limit integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_pause   CONSTANT double precision := 0.2;
  v_enough  CONSTANT interval := interval '500 milliseconds';
  v_bytes   CONSTANT bigint := 8388608;
  -- Errors that are a row's own: data, constraints, exceptions that were raised, those of this schema.
  v_own     CONSTANT text[] := ARRAY['22', '23', 'P0', 'LT'];
  v_begun   timestamptz := clock_timestamp(); -- a duration, not a time
  v_now     timestamptz := long_task.clock();
  v_due     timestamptz;
  v_ids     bigint[];
  v_id      bigint;
  v_later   boolean := false; -- something could not be done now
  v_in_vain CONSTANT integer := 500;
  v_look    CONSTANT integer := 1000;
  v_spans   long_task.queue_span[];
  v_read    bigint;
  v_fired   bigint := 0;
  v_again   double precision;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := long_task.look_into_gaps('schedule', 0, v_look, true);
  END IF;
  v_spans := long_task.queue_spans('schedule', 0);
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass); -- as entries_read, without a call
  LOOP
    v_due := (
      SELECT f.next_start
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.next_start
        FROM long_task.task AS t
        WHERE t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT 1
      ) AS f
      LIMIT 1
    );
    EXIT WHEN v_due > v_now OR v_due IS NULL OR clock_timestamp() > v_begun + v_enough;
    v_ids := ARRAY(
      SELECT f.id
      FROM unnest(v_spans) AS s
      CROSS JOIN LATERAL (
        SELECT t.id
        FROM long_task.task AS t
        WHERE t.next_start <= v_now
          AND t.next_start >= long_task.place_to_time(s.from_place)
          AND t.next_start < long_task.place_to_time(s.to_place)
          AND t.next_start IS NOT NULL
          AND t.shed_enabled
          AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
        ORDER BY t.next_start
        LIMIT p_limit
        FOR NO KEY UPDATE SKIP LOCKED
      ) AS f
      LIMIT p_limit
    );
    IF cardinality(v_ids) = 0 THEN
      RETURN v_pause; -- another node is firing them, or a person holds them
    END IF;
    -- As many as write 8 MiB of copies, which takes about as long as the clock is not looked at.
    v_ids := ARRAY(
      SELECT w.id
      FROM (
        SELECT
          i.id,
          i.place,
          sum(CASE
            WHEN t.shed_clone OR t.overlap = 'clone' THEN
              LEAST((long_task.schedule_of(t)).copy_bytes * CASE WHEN t.missed = 'run each' THEN 20 ELSE 1 END, v_bytes)
            ELSE 0
          END) OVER (ORDER BY i.place) AS bytes
        FROM unnest(v_ids) WITH ORDINALITY AS i(id, place)
        JOIN long_task.task AS t ON t.id = i.id
      ) AS w
      WHERE w.bytes <= v_bytes
         OR w.place = 1
      ORDER BY w.place
    );
    BEGIN
      PERFORM long_task.fire_tasks(v_ids, v_now);
    EXCEPTION
      WHEN OTHERS THEN
        FOREACH v_id IN ARRAY v_ids LOOP
          BEGIN
            PERFORM long_task.fire_tasks(ARRAY[v_id], v_now);
          EXCEPTION
            WHEN OTHERS THEN
              v_later := left(SQLSTATE, 2) <> ALL (v_own) OR NOT long_task.pause_schedule(v_id, SQLERRM) OR v_later;
          END;
        END LOOP;
    END;
    IF v_later THEN
      RETURN v_pause;
    END IF;
    v_now := long_task.clock();
    v_fired := v_fired + cardinality(v_ids);
  END LOOP;
  -- Those that were fired were read twice.
  IF pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass) > v_read + 2 * v_fired + v_in_vain THEN
    PERFORM long_task.note_gaps('schedule', 0, v_ids);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due <= v_now THEN 0 ELSE extract(epoch FROM v_due - v_now) END);
END
$$;

COMMENT ON FUNCTION long_task.fire_schedules(integer) IS
  'Start the tasks that are due by schedule, so many at once, and move their schedules on. Returns the seconds until there is more to fire; null: nothing is scheduled.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/fire_schedules', 'pg_tasks', 'changelog.xml', NOW(), 112, '9:eef27cd9dceefcd5750e97e954c39905', 'sqlFile path=procedures/fire_schedules.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/fire_tasks::pg_tasks

-- fire_tasks: make the starts that are due of some tasks, and move their schedules on.
--
-- Called by  fire_schedules, which has locked the rows.
-- Locks      nothing more
-- Raises     LT007 bad schedule, or whatever keeps a row from being written
CREATE OR REPLACE FUNCTION long_task.fire_tasks(
  p_ids bigint[],
  p_now timestamptz
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_copied bigint[];
  v_starts timestamptz[];
BEGIN
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  WITH fired AS (
    UPDATE long_task.task AS t
    SET
      queued_by = 'system',
      state_id = CASE WHEN d.queue_for IS NOT NULL THEN 'AW' ELSE t.state_id END,
      worker_id = CASE WHEN d.queue_for IS NULL THEN t.worker_id ELSE long_task.pinned_worker(t) END,
      start_after = CASE
        WHEN d.queue_for IS NULL OR t.jitter IS NULL THEN t.start_after
        ELSE GREATEST(t.start_after, p_now + random() * t.jitter)
      END,
      scheduled_for = COALESCE(d.queue_for, t.scheduled_for),
      next_start = d.next_start,
      shed_waiting = d.waiting
    FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
    JOIN long_task.task AS s ON s.id = i.id
    CROSS JOIN LATERAL long_task.due_starts(long_task.schedule_of(s), p_now) AS d
    WHERE t.id = s.id
    RETURNING t.id, i.place, d.copies
  )
  SELECT array_agg(f.id ORDER BY f.place, c.place), array_agg(c.start ORDER BY f.place, c.place)
  INTO v_copied, v_starts
  FROM fired AS f
  CROSS JOIN LATERAL unnest(f.copies) WITH ORDINALITY AS c(start, place);
  IF v_copied IS NOT NULL THEN
    PERFORM long_task.insert_clones(v_copied, v_starts, 'schedule');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.fire_tasks(bigint[], timestamptz) IS
  'Make the starts of tasks that are due by schedule at a time, and move their schedules on.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/fire_tasks', 'pg_tasks', 'changelog.xml', NOW(), 113, '9:50a8e44b346894c76c85374d57739e02', 'sqlFile path=procedures/fire_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/heeded_call::pg_tasks

-- heeded_call: which notification of the group's channel is for the session at its post.
--
-- Called by  sync
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.heeded_call()
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_held integer := current_setting('long_task.post')::integer;
BEGIN
  RETURN CASE
    WHEN v_held < 0 THEN NULL
    WHEN v_held < long_task.sentries() THEN 'sentries'
    ELSE v_held::text
  END;
END
$$;

COMMENT ON FUNCTION long_task.heeded_call() IS
  'Which notification of its group''s channel is for the session at its post; null: it has none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/heeded_call', 'pg_tasks', 'changelog.xml', NOW(), 114, '9:1ea3c1c30b220bdfbb0c2854a49b350d', 'sqlFile path=procedures/heeded_call.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/hold_lease::pg_tasks

-- hold_lease: make sure that a node holds its worker, until the end of its call.
--
-- Called by  sync
-- Locks      the worker's lease row FOR NO KEY UPDATE, which writes no version of the row; a renewal writes one.
-- Raises     LT001 lease lost
--
-- A plan that is made once: PostgreSQL would make the first five anew, which costs more than all the rest, and in a large
-- fleet each session renews every ten seconds only.
--
-- p_lease_seconds  renew the lease for so long from now; null: leave it
--
-- Returns the group of the worker.
CREATE OR REPLACE FUNCTION long_task.hold_lease(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_lease_seconds double precision,
  p_running       integer
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_group_id integer;
BEGIN
  IF p_lease_seconds IS NULL THEN
    SELECT l.group_id INTO v_group_id
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    FOR NO KEY UPDATE;
  ELSE
    UPDATE long_task.worker_lease AS l
    SET
      locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
      task_count = p_running
    WHERE l.worker_id = p_worker_id
      AND l.epoch = p_epoch
      AND l.connection = p_connection
      AND l.active
      AND l.locked_until > long_task.clock()
    RETURNING l.group_id INTO v_group_id;
  END IF;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
  RETURN v_group_id;
END
$$;

COMMENT ON FUNCTION long_task.hold_lease(integer, bigint, integer, double precision, integer) IS
  'Make sure that a node holds its worker until the end of its call, and renew the lease if told to. Returns its group.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/hold_lease', 'pg_tasks', 'changelog.xml', NOW(), 115, '9:748f8441124671adfac9dd05ce072a54', 'sqlFile path=procedures/hold_lease.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/history_label::pg_tasks

-- history_label: what a partition of task_run is, for people, to be written behind its name.
--
-- Called by  doctor_indexes, doctor_vacuum
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.history_label(p_table name)
RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT COALESCE(
    (
      SELECT format(' (history from %s until %s)', p.began::date, COALESCE(p.ended::date::text, 'now'))
      FROM long_task.task_run_part AS p
      WHERE format('task_run_%s', p.part) = p_table
    ),
    ''
  )
$$;

COMMENT ON FUNCTION long_task.history_label(name) IS
  'Which time a table holds the history of, in words; nothing, if it is no partition of task_run.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/history_label', 'pg_tasks', 'changelog.xml', NOW(), 116, '9:26ca94dd27afb0d3684367b997c3d08b', 'sqlFile path=procedures/history_label.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/history_rows::pg_tasks

-- history_rows: about how many rows a partition of task_run has.
--
-- Called by  roll_history, drop_history, doctor_retention
-- Locks      the partition in ACCESS SHARE mode, while it looks
-- Raises     nothing
--
-- As the planner does it: by the size, and by how full it was when it was analysed last.
CREATE OR REPLACE FUNCTION long_task.history_rows(p_part integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_page CONSTANT integer := 50; -- rows, when nothing is known
BEGIN
  RETURN (
    SELECT
      pg_relation_size(c.oid) / current_setting('block_size')::integer
      * CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE v_page END
    FROM pg_class AS c
    WHERE c.oid = to_regclass(format('long_task.task_run_%s', p_part))
  );
END
$$;

COMMENT ON FUNCTION long_task.history_rows(integer) IS
  'About how many rows a partition of task_run has.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/history_rows', 'pg_tasks', 'changelog.xml', NOW(), 117, '9:03bc4c079636ef33ed222b641a562e04', 'sqlFile path=procedures/history_rows.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/insert_clones::pg_tasks

-- insert_clones: queue copies of tasks, each as a row of its own that names the row it was copied from; or start the
-- workflow that a row names.
--
-- Called by  fire_tasks, run_now
-- Locks      nothing; for workflows as add_run
-- Raises     LT005 bad command, if a draft was never finished; for workflows as add_run
--
-- p_ids         the tasks to be copied, one entry for each copy
-- p_starts      the times of the schedule that they are made for; null: made by hand, without jitter
-- p_queued_by   person or schedule
--
-- Returns the ids of the copies, in the order of the entries, and then those of the runs.
CREATE OR REPLACE FUNCTION long_task.insert_clones(
  p_ids       bigint[],
  p_starts    timestamptz[],
  p_queued_by text
)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_clones bigint[];
BEGIN
  WITH clone AS (
    INSERT INTO long_task.task (
      name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
      kill_grace, max_attempts, retry_delay, concurrency_key, jitter, owner, shed_parent_id, scheduled_for, queued_by
    )
    SELECT
      t.name, 'AW', t.priority, t.group_id, long_task.pinned_worker(t),
      t.command, t.params, t.env, t.stdin, t.cwd,
      GREATEST(t.start_after, CASE WHEN c.start IS NOT NULL THEN long_task.clock() + random() * t.jitter END),
      t.timeout, t.kill_grace, t.max_attempts, t.retry_delay, t.concurrency_key, t.jitter, t.owner,
      t.id, c.start, p_queued_by
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NULL
    ORDER BY c.place
    RETURNING id
  )
  SELECT array_agg(c.id ORDER BY c.id) INTO v_clones
  FROM clone AS c;
  RETURN v_clones || (
    SELECT array_agg(long_task.add_run(t.workflow, t.params, NULL, t.id, c.start) ORDER BY c.place)
    FROM unnest(p_ids, p_starts) WITH ORDINALITY AS c(id, start, place)
    JOIN long_task.task AS t ON t.id = c.id
    WHERE t.workflow IS NOT NULL
  );
END
$$;

COMMENT ON FUNCTION long_task.insert_clones(bigint[], timestamptz[], text) IS
  'Queue copies of tasks, made for times of their schedules, or by a person. Returns the ids of the copies.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/insert_clones', 'pg_tasks', 'changelog.xml', NOW(), 118, '9:e33634b0db8961ac7dbbb9fdb4f1e2b7', 'sqlFile path=procedures/insert_clones.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/is_needed::pg_tasks

-- is_needed: whether a task that has not ended waits for this one, or is going to be given its result.
--
-- Called by  sweep_tasks, clear_tasks, clear_run
-- Locks      nothing
-- Raises     nothing
--
-- The settings keep the plan on the indexes, however many dependencies there are.
CREATE OR REPLACE FUNCTION long_task.is_needed(p_task_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
  RETURN EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    WHERE d.needs_task_id = p_task_id
      AND (t.state_id NOT IN ('CS', 'CF', 'CC') OR t.running_on IS NOT NULL)
  );
END
$$;

COMMENT ON FUNCTION long_task.is_needed(bigint) IS
  'Whether a task that has not ended needs this one.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/is_needed', 'pg_tasks', 'changelog.xml', NOW(), 119, '9:cf52af1f730717e95c64701efe35c98a', 'sqlFile path=procedures/is_needed.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/is_time_zone::pg_tasks

-- is_time_zone: whether a text is the name of a time zone.
--
-- Called by  check_task_schedule, schedule_preview
-- Locks      nothing
-- Raises     nothing
--
-- PostgreSQL takes more for a zone: abbreviations, which keep one offset all year, and POSIX rules, whose signs are
-- the other way round ('UTC+3' is west of Greenwich). Neither is meant by anybody who schedules something.
-- The list of names is read from files, which takes 10 ms; so it is asked only about a name that could
-- be one of those.
CREATE OR REPLACE FUNCTION long_task.is_time_zone(p_name text)
RETURNS boolean
LANGUAGE plpgsql
STABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF p_name = 'UTC' THEN
    RETURN true;
  ELSIF p_name !~ '^[A-Za-z_]+(/[A-Za-z_]+)+$' THEN
    RETURN EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = p_name);
  END IF;
  PERFORM timestamptz 'epoch' AT TIME ZONE p_name;
  RETURN true;
EXCEPTION
  WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.is_time_zone(text) IS
  'Whether a text is the name of a time zone such as Europe/Berlin.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/is_time_zone', 'pg_tasks', 'changelog.xml', NOW(), 120, '9:1dd0d10741f04895821095b4d88dcef9', 'sqlFile path=procedures/is_time_zone.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/keep_deleted_attempt::pg_tasks

-- keep_deleted_attempt: remember the processes of tasks whose rows are deleted, so that they are killed.
--
-- Called by  triggers on task: after DELETE of a row that has a process, before TRUNCATE.
-- Locks      nothing beyond the rows it inserts.
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may delete a task need not be able to write what nodes read.
CREATE OR REPLACE FUNCTION long_task.keep_deleted_attempt()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    VALUES (
      OLD.id, OLD.attempt, OLD.group_id, OLD.running_on, OLD.started, COALESCE(OLD.run_queued_by, OLD.queued_by),
      CASE WHEN OLD.run_queued_by IS NULL THEN OLD.scheduled_for ELSE OLD.run_scheduled_for END,
      OLD.concurrency_key
    );
    PERFORM long_task.announce(NULL, OLD.running_on);
  ELSE
    INSERT INTO long_task.deleted_attempt (
      task_id, attempt, group_id, worker_id, started, started_by, scheduled_for, concurrency_key
    )
    SELECT
      t.id, t.attempt, t.group_id, t.running_on, t.started, COALESCE(t.run_queued_by, t.queued_by),
      CASE WHEN t.run_queued_by IS NULL THEN t.scheduled_for ELSE t.run_scheduled_for END,
      t.concurrency_key
    FROM long_task.task AS t
    WHERE t.running_on IS NOT NULL;
    PERFORM long_task.announce(NULL, d.worker_id)
    FROM (SELECT DISTINCT a.worker_id FROM long_task.deleted_attempt AS a) AS d;
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_deleted_attempt() IS
  'Trigger: have the processes of deleted tasks killed.';

REVOKE ALL ON FUNCTION long_task.keep_deleted_attempt() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_deleted_attempt
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.running_on IS NOT NULL)
EXECUTE FUNCTION long_task.keep_deleted_attempt();

CREATE OR REPLACE TRIGGER keep_truncated_attempts
BEFORE TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.keep_deleted_attempt();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/keep_deleted_attempt', 'pg_tasks', 'changelog.xml', NOW(), 121, '9:23bbc6ca076710e71ad4a9cb580151d0', 'sqlFile path=procedures/keep_deleted_attempt.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/keep_ids_unique::pg_tasks

-- keep_ids_unique: refuse a TRUNCATE after which ids would come again that history knows already.
--
-- Called by  trigger keep_ids_unique on task, after TRUNCATE: with RESTART IDENTITY the sequence has begun
--            again by then.
-- Locks      nothing
-- Raises     LT004 bad value
--
-- SECURITY DEFINER, because whoever may truncate tasks need not be able to read what this reads.
CREATE OR REPLACE FUNCTION long_task.keep_ids_unique()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_next bigint;
BEGIN
  SELECT s.last_value + s.is_called::integer INTO v_next
  FROM long_task.task_id_seq AS s;
  IF EXISTS (SELECT FROM long_task.task_run AS r WHERE r.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.task_archive AS a WHERE a.task_id >= v_next)
     OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.task_id >= v_next) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('the next task would be %s, and later ones are in history or still have a process', v_next),
      HINT = 'Leave out RESTART IDENTITY; or, when nothing runs, TRUNCATE long_task.task_run and task_archive in the same statement.';
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.keep_ids_unique() IS
  'Trigger: refuse a TRUNCATE after which ids would come again that history knows.';

REVOKE ALL ON FUNCTION long_task.keep_ids_unique() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_ids_unique
AFTER TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.keep_ids_unique();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/keep_ids_unique', 'pg_tasks', 'changelog.xml', NOW(), 122, '9:c3c05a2c3cf1fbd6f2732b15258e22ee', 'sqlFile path=procedures/keep_ids_unique.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/latest_start::pg_tasks

-- latest_start: the last start of a task's schedule that is not later than a given time.
--
-- Called by  due_starts
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- p_start is a start itself, and not later than p_end. The time between the two is halved until the last one is
-- found, so that a year of missed minutes costs no more than a few dozen looks at the calendar.
CREATE OR REPLACE FUNCTION long_task.latest_start(
  p_schedule long_task.schedule,
  p_start    timestamptz,
  p_end      timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_latest timestamptz := p_start;
  v_next   timestamptz := long_task.next_start_after(p_schedule, p_start);
  v_high   timestamptz := p_end;
  v_half   timestamptz;
  v_middle timestamptz;
BEGIN
  WHILE v_next <= p_end LOOP
    v_half := v_latest + (v_high - v_latest) / 2;
    v_middle := long_task.next_start_after(p_schedule, v_half);
    IF v_middle <= p_end THEN
      v_latest := v_middle;
    ELSE
      v_latest := v_next;
      v_high := v_half;
    END IF;
    v_next := long_task.next_start_after(p_schedule, v_latest);
  END LOOP;
  RETURN v_latest;
END
$$;

COMMENT ON FUNCTION long_task.latest_start(long_task.schedule, timestamptz, timestamptz) IS
  'Last start of a task''s schedule between one of its starts and a time.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/latest_start', 'pg_tasks', 'changelog.xml', NOW(), 123, '9:1d09096e6ff149b2fc55761dd87cb288', 'sqlFile path=procedures/latest_start.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/leave_post::pg_tasks

-- leave_post: let the session of a node that is idle no more leave its post, and call others in its place.
--
-- Called by  sync, of a node whose slots are full or that starts nothing; lock_worker and leave_worker
-- Locks      nothing
-- Raises     nothing
--
-- One is called if a sentry is missing, and one if more is ready than this node could take: that one does the same.
-- The post is left first, and looked at the queue afterwards, so that of two that leave at the same time, and
-- call each other, the later one sees what there is to be done. Nodes that have left leave gaps behind them, so all
-- posts are looked at.
--
-- p_own  how many active leases of the group are the caller's: if there is no other, there is nobody to call
CREATE OR REPLACE FUNCTION long_task.leave_post(
  p_group_id integer,
  p_own      integer DEFAULT 1
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_held   integer := NULLIF(current_setting('long_task.post', true), '')::integer;
  v_wanted integer := 0;
BEGIN
  IF (v_held >= 0) IS NOT TRUE THEN
    IF v_held < -1 THEN
      PERFORM set_config('long_task.post', '-1', false); -- when it is idle again, it looks anew
    END IF;
    RETURN;
  END IF;
  PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
  PERFORM set_config('long_task.post', '-1', false);

  IF NOT EXISTS (
    SELECT FROM long_task.worker_lease AS l
    WHERE l.group_id = p_group_id
      AND l.active
    OFFSET p_own
  ) THEN
    RETURN;
  END IF;
  FOR v_post IN 0 .. long_task.sentries() - 1 LOOP
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_wanted := 1;
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1)) THEN
    v_wanted := v_wanted + 1;
  END IF;
  FOR v_post IN long_task.sentries() .. long_task.posts() - 1 LOOP
    EXIT WHEN v_wanted = 0;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
    ELSE
      PERFORM pg_notify('long_task_group_' || p_group_id, v_post::text);
      v_wanted := v_wanted - 1;
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.leave_post(integer, integer) IS
  'Let the session of a node that is idle no more leave its post, and call others that are.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/leave_post', 'pg_tasks', 'changelog.xml', NOW(), 124, '9:dca8209d187d13569c3bf49d4ce2f823', 'sqlFile path=procedures/leave_post.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/leave_unsettled::pg_tasks

-- leave_unsettled: have a later sync look at tasks once more, and at those that wait for them.
--
-- Called by  settle_tasks, refresh_needs, settle_entering_task
-- Locks      nothing
-- Raises     nothing
--
-- p_held     whether somebody holds a row that is needed
-- p_refresh  whether what is known of the needs of these tasks may be out of date
-- p_again    it was left before: nobody is woken, the caller comes back for it, after a pause if somebody holds it
CREATE OR REPLACE FUNCTION long_task.leave_unsettled(
  p_ids     bigint[],
  p_held    boolean,
  p_refresh boolean DEFAULT false,
  p_again   boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_pause CONSTANT interval := interval '0.2 seconds';
BEGIN
  INSERT INTO long_task.unsettled_task (task_id, not_before, refresh)
  SELECT i.id, long_task.clock() + CASE WHEN p_held AND p_again THEN v_pause ELSE interval '0' END, p_refresh
  FROM unnest(p_ids) AS i(id);
  IF NOT p_again THEN
    PERFORM long_task.announce(NULL, NULL);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.leave_unsettled(bigint[], boolean, boolean, boolean) IS
  'Have a node look at these tasks, and at those that wait for them, in a transaction of its own.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/leave_unsettled', 'pg_tasks', 'changelog.xml', NOW(), 125, '9:5549187a9ae5853d9383a5c597426574', 'sqlFile path=procedures/leave_unsettled.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/leave_worker::pg_tasks

-- leave_worker: give a lease back.
--
-- Called by  a node that ends, after it has reported everything.
-- Locks      the worker's lease row; task rows by end_lease.
-- Raises     nothing: a node that has lost its lease has nothing to give back.
--
-- The stop codes 2 and 3 ask a node to leave; they are done with now, so that the next node that serves
-- the worker runs. Code 1 is a condition of the worker and stays.
--
-- Returns true: given back; false: it was not held any more; null: an attempt whose start the node never
-- heard of has a row that somebody holds, so call again.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.leave_worker(
  p_worker_id  integer,
  p_epoch      bigint,
  p_connection integer
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  SELECT l.* INTO v_lease
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection = p_connection
    AND l.active
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  v_lost := long_task.end_lease(v_lease);
  IF v_lost IS NULL THEN
    RETURN NULL;
  END IF;
  DELETE FROM long_task.worker_stop AS s
  WHERE s.worker_id = p_worker_id
    AND s.stop IN (2, 3);
  PERFORM long_task.leave_post(v_lease.group_id, 0);
  PERFORM long_task.log_event('left', v_lease, v_lost);
  PERFORM long_task.announce(NULL, p_worker_id);
  RETURN true;
END
$$;

COMMENT ON FUNCTION long_task.leave_worker(integer, bigint, integer) IS
  'For nodes: give the lease of a worker back. False: it was not held any more; null: call again.';

REVOKE ALL ON FUNCTION long_task.leave_worker(integer, bigint, integer) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/leave_worker', 'pg_tasks', 'changelog.xml', NOW(), 126, '9:c973a67aad088c13f969ab7575132f1d', 'sqlFile path=procedures/leave_worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/light_tasks::pg_tasks

-- light_tasks: the first of some tasks, as many as can be deleted in one step.
--
-- Called by  sweep_tasks, clear_run
-- Locks      nothing
-- Raises     nothing
--
-- What takes the time is their dependencies: a task may have ten thousand. The first one is always among them.
CREATE OR REPLACE FUNCTION long_task.light_tasks(p_ids bigint[])
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_most CONSTANT integer := 500;
BEGIN
  RETURN ARRAY(
    SELECT w.id
    FROM (
      SELECT
        i.id,
        i.place,
        sum(n.links) OVER (ORDER BY i.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
        n.links
      FROM unnest(p_ids) WITH ORDINALITY AS i(id, place)
      CROSS JOIN LATERAL (
        SELECT count(*) AS links
        FROM (
          (SELECT FROM long_task.task_dependency AS d WHERE d.task_id = i.id LIMIT v_most)
          UNION ALL
          (SELECT FROM long_task.task_dependency AS d WHERE d.needs_task_id = i.id LIMIT v_most)
        ) AS l
      ) AS n
    ) AS w
    WHERE COALESCE(w.before + w.links <= v_most, true)
    ORDER BY w.place
  );
END
$$;

COMMENT ON FUNCTION long_task.light_tasks(bigint[]) IS
  'The first of these tasks, as many as can be deleted in one step with their dependencies.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/light_tasks', 'pg_tasks', 'changelog.xml', NOW(), 127, '9:ff3d3c878263fa26eb72fae74300644b', 'sqlFile path=procedures/light_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/link_tasks::pg_tasks

-- link_tasks: see to the tasks that dependencies have been written for.
--
-- Called by  trigger on task_dependency, after each INSERT.
-- Locks      the tasks at both ends FOR NO KEY UPDATE in the order of their ids, so that none of them ends, or is
--            started, unseen; then as refuse_cycle
-- Raises     LT003 it has been started already, LT004 in an old snapshot, LT006 no such task, LT012 bad dependency
--
-- SECURITY DEFINER, because whoever may write a dependency need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.link_tasks()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_tasks  bigint[] := ARRAY(SELECT DISTINCT w.task_id FROM written AS w ORDER BY w.task_id);
  v_needs  bigint[] := ARRAY(SELECT DISTINCT w.needs_task_id FROM written AS w ORDER BY w.needs_task_id);
  v_bad    record;
  v_lowest bigint;
BEGIN
  IF cardinality(v_tasks) = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM
  FROM long_task.task AS t
  WHERE t.id IN (SELECT i.id FROM unnest(v_tasks || v_needs) AS i(id))
  ORDER BY t.id
  FOR NO KEY UPDATE;
  SELECT i.id INTO v_bad
  FROM unnest(v_tasks || v_needs) AS i(id)
  WHERE NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.id = i.id)
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', v_bad.id),
      'Insert the task first, in the same transaction if it shall wait from the beginning.');
  END IF;
  SELECT t.id, t.state_id, t.last_state_change INTO v_bad
  FROM long_task.task AS t
  WHERE t.id IN (SELECT w.task_id FROM written AS w)
    AND t.state_id IN ('AE', 'AS', 'AC')
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('task %s has been started already, it can wait for nothing', v_bad.id),
      'Insert the task and its dependencies in one transaction, or the task as a draft (DR) first.',
      format('state_id is %s since %s', v_bad.state_id, v_bad.last_state_change));
  END IF;
  -- The dependencies of a run are among its own tasks, in the order of the definition, which has no cycle.
  v_lowest := (SELECT min(w.task_id) FROM written AS w WHERE w.run_id IS NULL);
  IF v_lowest IS NOT NULL THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      PERFORM long_task.refuse('LT004', format('dependencies cannot be written in a transaction that is %s',
        current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see those of others.');
    END IF;
    PERFORM long_task.refuse_cycle(v_lowest);
  END IF;
  UPDATE long_task.task AS t
  SET
    has_needs = t.has_needs OR i.needs,
    has_dependents = t.has_dependents OR i.is_needed
  FROM (
    SELECT b.id, bool_or(b.needs) AS needs, bool_or(NOT b.needs) AS is_needed
    FROM (
      SELECT n.id, true AS needs FROM unnest(v_tasks) AS n(id)
      UNION ALL
      SELECT n.id, false FROM unnest(v_needs) AS n(id)
    ) AS b
    GROUP BY b.id
  ) AS i
  WHERE t.id = i.id
    AND (i.needs AND NOT t.has_needs OR i.is_needed AND NOT t.has_dependents);
  PERFORM long_task.refresh_needs(v_tasks);
  PERFORM long_task.settle_tasks(v_tasks);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.link_tasks() IS
  'Trigger: have the tasks wait that dependencies were written for, if what they need has not come.';

REVOKE ALL ON FUNCTION long_task.link_tasks() FROM PUBLIC;

CREATE OR REPLACE TRIGGER link_tasks
AFTER INSERT ON long_task.task_dependency
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.link_tasks();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/link_tasks', 'pg_tasks', 'changelog.xml', NOW(), 128, '9:8eb8237499817e28ca8dd64cdbc2c081', 'sqlFile path=procedures/link_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/lock_worker::pg_tasks

-- lock_worker: give the lease of a worker to a node, if nobody else may hold it.
--
-- Called by  a node when it starts, and again while it stands by.
-- Locks      the worker's lease row; task rows by end_lease.
-- Raises     LT004 bad value; LT011 another group's or another worker's node has it or the name
--
-- A lease that has ended is given away when lease_over_at says so, to a node that has waited for that by
-- its own clock too (p_watched, of lease_state). At once it is given to the process that
-- held it (which asks when nothing of it runs any more; not by a call that was left behind on its way when
-- it had connected again, p_connection), and to one that has seen on its own machine that the holder and all
-- its processes are dead (p_dead_process: the process of the lease as this call returned it).
--
-- What the holder of before can still report (it was away, and is back) is handed in with p_reports
-- and counts; what is left then is lost.
--
-- Returns epoch (null: not given), held_by, retry_in seconds, and of the holder its process, the lease_state
-- and the seconds that the whole of its lease lasts.
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.lock_worker(
  p_worker_id      integer,
  p_group_id       integer,
  p_slots          integer,
  p_node_name      text,
  p_host           text,
  p_pid            integer,
  p_process        text,
  p_connection     integer,
  p_version        text,
  p_lease_duration double precision,
  p_recovery_delay double precision,
  p_reports        json DEFAULT '[]',
  p_dead_process   text DEFAULT NULL,
  p_watched        text[] DEFAULT NULL
)
RETURNS TABLE (
  epoch        bigint,
  held_by      text,
  retry_in     double precision,
  held_process text,
  held_lease   text,
  whole        double precision
)
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_again CONSTANT double precision := 0.2;
  v_lease long_task.worker_lease;
  v_given long_task.worker_lease;
  v_over  timestamptz;
  v_now   timestamptz;
  v_lost  integer;
BEGIN
  IF p_slots < 0 OR p_lease_duration <= 0 OR p_recovery_delay < 0 THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be served with %s slots, a lease of %s s and a recovery delay of %s s',
      p_worker_id, p_slots, p_lease_duration, p_recovery_delay), 'None of them can be negative, and a lease must last.');
  END IF;
  PERFORM long_task.leave_post(p_group_id); -- it may be that of the lease that was lost
  -- Again, if a person deleted the worker while its row was waited for.
  LOOP
    INSERT INTO long_task.worker_lease (worker_id, group_id)
    VALUES (p_worker_id, p_group_id)
    ON CONFLICT DO NOTHING;
    SELECT l.* INTO v_lease
    FROM long_task.worker_lease AS l
    WHERE l.worker_id = p_worker_id
    FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;

  -- One after the other, or two would find the name free.
  PERFORM pg_advisory_xact_lock(hashtextextended('long_task node ' || p_node_name, 0));
  v_now := long_task.clock();
  PERFORM long_task.refuse('LT011',
    format('node name %s is taken by worker %s, %s', p_node_name, l.worker_id, long_task.name_holder(l)),
    'Give each node a node_name of its own.')
  FROM long_task.worker_lease AS l
  WHERE l.node_name = p_node_name
    AND l.worker_id <> p_worker_id
    AND l.active
    AND long_task.lease_over_at(l) > v_now;

  v_over := long_task.lease_over_at(v_lease);
  IF v_lease.active
     AND (v_over > v_now OR NOT COALESCE(long_task.lease_state(v_lease) = ANY (p_watched), false))
     AND (v_lease.process IS DISTINCT FROM p_process OR v_lease.connection > p_connection)
     AND v_lease.process IS DISTINCT FROM p_dead_process THEN
    IF v_lease.group_id <> p_group_id AND v_over > v_now THEN
      PERFORM long_task.refuse('LT011', format('worker %s serves group %s, held by %s',
          p_worker_id, v_lease.group_id, long_task.name_holder(v_lease)),
        format('A node for group %s needs a worker id of its own.', p_group_id));
    END IF;
    INSERT INTO long_task.worker_standby AS s (
      worker_id, process, group_id, slots, node_name, host, pid, version, since, seen, seen_until
    )
    VALUES (
      p_worker_id, p_process, p_group_id, p_slots, p_node_name, p_host, p_pid, p_version, v_now, v_now,
      v_now + make_interval(secs => p_lease_duration)
    )
    ON CONFLICT ON CONSTRAINT worker_standby_pkey DO UPDATE
    SET seen = EXCLUDED.seen, seen_until = EXCLUDED.seen_until;
    RETURN QUERY SELECT
      NULL::bigint,
      long_task.name_holder(v_lease),
      extract(epoch FROM v_over - v_now)::double precision,
      v_lease.process,
      long_task.lease_state(v_lease),
      extract(epoch FROM v_lease.lease_duration + v_lease.recovery_delay)::double precision;
    RETURN;
  END IF;

  IF v_lease.process IS DISTINCT FROM p_process THEN
    -- What this node gave back, its successor may have started, under the same number.
    p_reports := (
      SELECT COALESCE(json_agg(r), '[]')
      FROM json_array_elements(p_reports) AS r
      WHERE (r ->> 'given_back')::boolean IS NOT TRUE
    );
  END IF;
  v_lost := long_task.end_lease(v_lease, p_reports);
  IF v_lost IS NULL THEN
    -- Before others may write off what this node still has to tell, it asks again.
    UPDATE long_task.worker_lease AS l
    SET locked_until = v_now + make_interval(secs => 5 * v_again)
    WHERE l.worker_id = p_worker_id
      AND l.process = p_process
      AND json_array_length(p_reports) > 0;
    RETURN QUERY SELECT NULL::bigint, 'somebody''s open transaction, task by task'::text, v_again, NULL::text, NULL::text,
      NULL::double precision;
    RETURN;
  END IF;
  DELETE FROM long_task.worker_standby AS s
  WHERE s.worker_id = p_worker_id
    AND (s.process = p_process OR s.seen_until < v_now);
  v_now := long_task.clock();
  UPDATE long_task.worker_lease AS l
  SET
    group_id = p_group_id,
    epoch = nextval('long_task.worker_epoch'),
    active = true,
    locked_until = v_now + make_interval(secs => p_lease_duration),
    lease_duration = make_interval(secs => p_lease_duration),
    recovery_delay = make_interval(secs => p_recovery_delay),
    slots = p_slots,
    node_name = p_node_name,
    host = p_host,
    pid = p_pid,
    process = p_process,
    connection = p_connection,
    version = p_version,
    since = v_now
  WHERE l.worker_id = p_worker_id
  RETURNING l.* INTO v_given;
  PERFORM long_task.log_event(
    CASE WHEN v_lease.active THEN 'taken over' ELSE 'taken' END, v_given, v_lost,
    CASE WHEN v_lease.active THEN 'from ' || long_task.name_holder(v_lease) END);
  RETURN QUERY SELECT v_given.epoch, NULL::text, NULL::double precision, NULL::text, NULL::text, NULL::double precision;
END
$$;

COMMENT ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]) IS
  'For nodes: take the lease of a worker. Returns its epoch, or who holds it and for how many seconds yet.';

REVOKE ALL ON FUNCTION long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/lock_worker', 'pg_tasks', 'changelog.xml', NOW(), 129, '9:90fe4495d9e1bc9cb708bd630ea0c683', 'sqlFile path=procedures/lock_worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/log_event::pg_tasks

-- log_event: a line in the log of what happened to leases.
--
-- Called by  lock_worker, leave_worker, recover_watched, recover_worker_tasks, change_worker,
--            write_off_attempts
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.log_event(
  p_kind       text,
  p_lease      long_task.worker_lease,
  p_task_count integer,
  p_detail     text DEFAULT NULL
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO long_task.worker_event (kind, worker_id, epoch, node_name, task_count, detail)
  VALUES (p_kind, p_lease.worker_id, p_lease.epoch, p_lease.node_name, p_task_count, p_detail);
END
$$;

COMMENT ON FUNCTION long_task.log_event(text, long_task.worker_lease, integer, text) IS
  'Write a row of worker_event.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/log_event', 'pg_tasks', 'changelog.xml', NOW(), 130, '9:0c3200f2b5a70d51a2dfbd128e6738c5', 'sqlFile path=procedures/log_event.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/lost_attempts::pg_tasks

-- lost_attempts: reports of the attempts that a worker has left behind, as nobody else can give them.
--
-- Called by  write_off_attempts
-- Locks      nothing
-- Raises     what the hook retry_lost_task raises, if p_ask_hook
--
-- p_spare: tasks about which there is a report that could not be taken in yet.
-- retry_in: seconds until the next attempt; null: none. Without the hook the rule of all failures
-- decides, which finish_attempts knows.
-- Returns what finish_attempts takes; null if nothing was left behind.
CREATE OR REPLACE FUNCTION long_task.lost_attempts(
  p_worker_id integer,
  p_spare     bigint[],
  p_ask_hook  boolean
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT json_agg(json_build_object(
      'task_id', a.task_id,
      'attempt', a.attempt,
      'reason', 'Worker failed',
      'ended_ago', 0,
      'ruled', a.ruled,
      'retry_in', CASE WHEN a.delay IS NOT NULL THEN LEAST(GREATEST(extract(epoch FROM a.delay), 0), 3e9) END
    ))
    FROM (
      SELECT
        t.id AS task_id,
        t.attempt,
        p_ask_hook AS ruled,
        CASE WHEN p_ask_hook AND t.state_id = 'AE' THEN long_task.retry_lost_task(t) END AS delay
      FROM long_task.task AS t
      WHERE t.running_on = p_worker_id
        AND t.id <> ALL (p_spare)
      UNION ALL
      SELECT d.task_id, d.attempt, false, NULL
      FROM long_task.deleted_attempt AS d
      WHERE d.worker_id = p_worker_id
    ) AS a
  );
END
$$;

COMMENT ON FUNCTION long_task.lost_attempts(integer, bigint[], boolean) IS
  'What is reported of the attempts that a worker has left behind; null: there are none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/lost_attempts', 'pg_tasks', 'changelog.xml', NOW(), 131, '9:1ec85f5765dea3f32b5108298e21057b', 'sqlFile path=procedures/lost_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/maintain::pg_tasks

-- maintain: do all that the policies of retention ask for, now.
--
-- Called by  people and their cron: CALL long_task.maintain();
-- Locks      as maintain_step, for one step at a time: it commits after each
-- Raises     2D000 inside a transaction block
--
-- Nodes do the same by themselves, more slowly. Whoever is at it when this is called leaves it to this.
-- A procedure that commits can have no settings and no rights of its own.
--
-- Returns what was done: how many tasks and runs of workflows have gone, how many partitions of history were made and dropped,
-- and what went wrong last (null: nothing).
CREATE OR REPLACE PROCEDURE long_task.maintain(
  INOUT tasks   bigint DEFAULT NULL,
  INOUT runs    bigint DEFAULT NULL,
  INOUT made    bigint DEFAULT NULL,
  INOUT dropped bigint DEFAULT NULL,
  INOUT error   text DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
  v_turn bigint := 0;
  v_step json;
BEGIN
  tasks := 0;
  runs := 0;
  made := 0;
  dropped := 0;
  LOOP
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path = pg_catalog, pg_temp;
    v_step := long_task.maintain_step(v_turn);
    IF (v_step ->> 'busy')::boolean THEN
      EXIT WHEN v_turn <> 0; -- somebody else has begun a round
      PERFORM pg_catalog.pg_sleep(0.02);
      CONTINUE;
    END IF;
    v_turn := (v_step ->> 'turn')::bigint;
    tasks := tasks + (v_step ->> 'tasks')::bigint;
    runs := runs + (v_step ->> 'runs')::bigint;
    made := made + (v_step ->> 'made')::bigint;
    dropped := dropped + (v_step ->> 'dropped')::bigint;
    error := v_step ->> 'error';
    EXIT WHEN v_step ->> 'again_in' IS NULL;
  END LOOP;
  COMMIT;
END
$$;

COMMENT ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) IS
  'Do all that the policies of retention ask for, now, in small steps that are committed one by one. Returns what was done, and what went wrong last.';

REVOKE ALL ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/maintain', 'pg_tasks', 'changelog.xml', NOW(), 132, '9:7b504f832a4575b87d9a37c424b8134f', 'sqlFile path=procedures/maintain.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/maintain_phase::pg_tasks

-- maintain_phase: one step of tidying up, of the kind that is due, and what comes after it.
--
-- Called by  maintain_step
-- Locks      as roll_history and drop_history, sweep_tasks, or sweep_runs
-- Raises     nothing that is not a trouble of the database's own
--
-- phase, place, stride  where to go on; phase null: that was all
-- tasks, runs           how many have gone
-- made, dropped         partitions of history
CREATE OR REPLACE FUNCTION long_task.maintain_phase(
  INOUT phase  text,
  INOUT place  bigint,
  INOUT stride bigint,
  OUT tasks    integer,
  OUT runs     integer,
  OUT made     integer,
  OUT dropped  integer
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_history record;
  v_sweep   record;
BEGIN
  tasks := 0;
  runs := 0;
  made := 0;
  dropped := 0;
  CASE phase
    WHEN 'history' THEN
      made := long_task.roll_history()::integer;
      v_history := long_task.drop_history();
      dropped := v_history.dropped::integer;
      IF NOT v_history.dropped THEN
        phase := CASE WHEN EXISTS (SELECT FROM long_task.retention) THEN 'task' END;
        place := 0;
      END IF;
    WHEN 'task' THEN
      v_sweep := long_task.sweep_tasks(place, stride);
      tasks := v_sweep.gone;
      place := v_sweep.next;
      stride := v_sweep.stride;
      IF place IS NULL THEN
        phase := 'run';
        place := 0;
      END IF;
    ELSE
      v_sweep := long_task.sweep_runs(place);
      tasks := v_sweep.gone;
      runs := v_sweep.runs;
      place := v_sweep.next;
      IF place IS NULL THEN
        phase := NULL;
      END IF;
  END CASE;
END
$$;

COMMENT ON FUNCTION long_task.maintain_phase(text, bigint, bigint) IS
  'One step of tidying up. Returns what comes after it, and what was done.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/maintain_phase', 'pg_tasks', 'changelog.xml', NOW(), 133, '9:a8a00bb87deab673d3b35145939b2d97', 'sqlFile path=procedures/maintain_phase.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/maintain_step::pg_tasks

-- maintain_step: do a small part of what the policies of retention ask for.
--
-- Called by  nodes, when sync has said that something is due, until this says that nothing is; maintain
-- Locks      an advisory lock and the row of maintenance, without waiting: one at a time; then as maintain_phase, waiting for
--            20 ms at most: a node that calls it does nothing else meanwhile
-- Raises     LT004 in an old snapshot. What fails beside that is written down (maintenance) and tried again in the next
--            round: nothing of this may cost a node its connection.
--
-- A round goes through history, tasks and runs of workflows; the next one is due a minute later, or after a tenth of the shortest
-- policy. Whoever begins a round gets a number (turn) and goes on with it; others may when he has not
-- been heard of for some seconds. The pauses that he is asked for leave nine tenths of the time to others.
--
-- p_turn  the number from the step before; null: begin a round if one is due; 0: begin one now
--
-- Returns a JSON object:
--   turn      for the next step
--   again_in  seconds until then; null: there is nothing more to do
--   busy      whether somebody else is at it
--   tasks, runs, made, dropped  as maintain_phase
--   error     what went wrong last in this round; null: nothing
-- SECURITY DEFINER: it does what the policies say, whoever calls it.
CREATE OR REPLACE FUNCTION long_task.maintain_step(p_turn bigint DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.maintenance', 0);
  v_others CONSTANT interval := interval '5 seconds';
  v_begun  timestamptz := clock_timestamp(); -- a duration, not a time
  v_now    timestamptz := long_task.clock();
  v_round  long_task.maintenance;
  v_step   record;
  v_took   double precision;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.refuse('LT004', format('tidying up cannot be done in a transaction that is %s',
      current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED: it has to see what others do.');
  END IF;
  IF NOT pg_try_advisory_xact_lock(v_lock) THEN
    RETURN json_build_object('busy', true);
  END IF;
  -- Who has written a policy and not committed it, holds the row.
  SELECT m.* INTO v_round
  FROM long_task.maintenance AS m
  FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN json_build_object('busy', true);
  END IF;
  IF v_round.turn IS DISTINCT FROM p_turn THEN
    IF p_turn <> 0 OR p_turn IS NULL AND v_round.next_at > v_now THEN
      RETURN json_build_object('busy', p_turn IS NOT NULL);
    END IF;
    v_round.turn := v_round.turn + 1;
    IF p_turn = 0 THEN
      v_round.phase := 'history';
    END IF;
  END IF;
  IF v_round.phase = 'history' THEN
    PERFORM long_task.note_maintenance(NULL);
  END IF;
  BEGIN
    v_step := long_task.maintain_phase(v_round.phase, v_round.place, v_round.stride);
  EXCEPTION
    WHEN OTHERS OR query_canceled THEN
      PERFORM long_task.note_maintenance(SQLERRM);
      SELECT
        CASE v_round.phase WHEN 'history' THEN 'task' WHEN 'task' THEN 'run' END AS phase,
        0::bigint AS place, v_round.stride AS stride, 0 AS tasks, 0 AS runs, 0 AS made, 0 AS dropped
      INTO v_step;
  END;
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  UPDATE long_task.maintenance AS m
  SET
    next_at = CASE WHEN v_step.phase IS NULL THEN long_task.next_round(v_now) ELSE v_now + v_others END,
    turn = v_round.turn,
    phase = COALESCE(v_step.phase, 'history'),
    place = COALESCE(v_step.place, 0),
    stride = v_step.stride,
    swept = CASE WHEN v_step.phase IS NULL THEN v_now ELSE m.swept END;
  RETURN json_build_object(
    'turn', v_round.turn,
    'again_in', CASE WHEN v_step.phase IS NOT NULL THEN LEAST(GREATEST(v_took * 9, 0.01), 1) END,
    'busy', false,
    'tasks', v_step.tasks,
    'runs', v_step.runs,
    'made', v_step.made,
    'dropped', v_step.dropped,
    'error', (SELECT m.error FROM long_task.maintenance AS m)
  );
END
$$;

COMMENT ON FUNCTION long_task.maintain_step(bigint) IS
  'For nodes: do a small part of what the policies of retention ask for. People call maintain.';

REVOKE ALL ON FUNCTION long_task.maintain_step(bigint) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/maintain_step', 'pg_tasks', 'changelog.xml', NOW(), 134, '9:5a96a2ce665c652116e82804a074dfab', 'sqlFile path=procedures/maintain_step.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/move_task::pg_tasks

-- move_task: decide about a change that a person, a task or a schedule makes to a task's state.
--
-- Called by  trigger move_task on task, before UPDATE. The writes of the nodes' procedures do not come
--            here: a claim sets running_on and a report clears it, and the trigger's WHEN passes over
--            both, because no UPDATE that people write touches that column.
-- Locks      nothing beyond the row that is being updated.
-- Raises     LT003 illegal transition, LT004 bad value
CREATE OR REPLACE FUNCTION long_task.move_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now         timestamptz := long_task.clock();
  -- Only procedures write it, and who else could is kept from the column by db/grants.sql: what has ended is queued
  -- by a schedule then, and what is blocked goes on because settle_tasks has looked at its needs, or free_keys at its key. CS is skip_task.
  v_by_system   boolean := NEW.queued_by = 'system';
BEGIN
  NEW.queued_by := OLD.queued_by;
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('task %s cannot become task %s', OLD.id, NEW.id),
      HINT = 'Insert another task.';
  END IF;
  IF NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key AND NEW.running_on IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('concurrency_key of task %s cannot be changed while it runs', OLD.id),
      HINT = 'Cancel it, or wait for its end.';
  END IF;
  -- A claim and a report write worker_id too, and do not come here: this one was given by a person.
  IF NEW.worker_id IS DISTINCT FROM OLD.worker_id THEN
    NEW.pinned := NEW.worker_id IS NOT NULL;
  END IF;
  CASE
    WHEN NEW.state_id = OLD.state_id THEN
      NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('DR', 'CS', 'CF', 'CC') THEN
      -- A process that has ended its task, and works on: its history is not that of the next start.
      IF NEW.running_on IS NOT NULL AND OLD.run_queued_by IS NULL THEN
        NEW.run_queued_by := OLD.queued_by;
        NEW.run_scheduled_for := OLD.scheduled_for;
      END IF;
      NEW.queued_by := CASE WHEN v_by_system THEN 'schedule' ELSE 'person' END;
      NEW.scheduled_for := CASE WHEN v_by_system THEN NEW.scheduled_for END;
      NEW.base_attempt := NEW.attempt;
      NEW.started := NULL;
      NEW.finished := NULL;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
      NEW.error := NULL;
      NEW.output := NULL;
      NEW.result := NULL;
      NEW.progress := NULL;
    WHEN NEW.state_id = 'AW' AND OLD.state_id IN ('AD', 'AB') THEN
      NULL;
    WHEN NEW.state_id = 'AB' AND OLD.state_id IN ('AW', 'AD') AND v_by_system THEN
      IF NOT NEW.wants_key AND OLD.queued_by = 'dependency' THEN
        NEW.queued_by := 'person';
      END IF;
    WHEN NEW.state_id = 'DR' AND OLD.state_id IN ('CS', 'CF', 'CC') THEN
      NEW.shed_waiting := NULL; -- a draft has no end to wait for
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AW', 'AD', 'AB') THEN
      NEW.state_id := 'CC';
      NEW.finished := v_now;
      -- The delay of a retry, or the jitter of a schedule, must not delay the task when it is queued again.
      IF (OLD.queued_by = 'retry' OR OLD.queued_by = 'schedule' AND OLD.jitter IS NOT NULL)
         AND NEW.start_after IS NOT DISTINCT FROM OLD.start_after THEN
        NEW.start_after := NULL;
      END IF;
    WHEN NEW.state_id = 'AC' AND OLD.state_id IN ('AE', 'AS') THEN
      NULL;
    WHEN NEW.state_id = 'CS' AND v_by_system THEN
      NEW.finished := v_now;
      NEW.exit_code := NULL;
      NEW.signal := NULL;
    WHEN NEW.state_id = 'AS' AND OLD.state_id = 'AE' THEN
      NULL;
    WHEN NEW.state_id IN ('CS', 'CF') AND OLD.state_id IN ('AE', 'AS') THEN
      NEW.finished := v_now;
    ELSE
      RAISE EXCEPTION USING
        ERRCODE = 'LT003',
        MESSAGE = format('task %s cannot go from %s to %s', OLD.id, OLD.state_id, NEW.state_id),
        HINT = format('From %s it can go to %s.', OLD.state_id, CASE
          WHEN OLD.state_id = 'DR' THEN 'AW'
          WHEN OLD.state_id IN ('AW', 'AD', 'AB') THEN 'AC'
          WHEN OLD.state_id = 'AE' THEN 'AC, AS, CS, CF'
          WHEN OLD.state_id = 'AS' THEN 'AC, CS, CF'
          WHEN OLD.state_id = 'AC' THEN 'nothing: it becomes CC when its processes are gone'
          ELSE 'AW, DR'
        END),
        DETAIL = format('state_id is %s since %s', OLD.state_id, OLD.last_state_change);
  END CASE;

  IF v_by_system AND OLD.wants_key AND NEW.state_id = 'AW' THEN
    -- Its key has room, and it was the first of its priority when it was put aside: to the front, behind those that came
    -- back before. With its number of then, it would come to where nobody looks any more (note_gaps).
    NEW.ready_seq := long_task.front_place();
  ELSIF v_by_system AND (OLD.state_id = 'AB' AND NEW.state_id = 'AW' OR NEW.state_id = 'CC' AND OLD.state_id LIKE 'A%') THEN
    NEW.queued_by := 'dependency';
    IF NEW.state_id = 'CC' THEN
      NEW.error := long_task.why_unmet(NEW.id);
    END IF;
  ELSIF NEW.has_needs AND NEW.state_id = 'AW' AND OLD.state_id NOT IN ('AW', 'AD') THEN
    NEW.state_id := 'AB'; -- settle_entering_task looks, when what it needs has been written too
  END IF;
  -- Another key, time or place in the queue: the next claim looks whether there is room.
  IF OLD.wants_key AND NEW.state_id = 'AB' AND (
    NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
    OR NEW.start_after IS DISTINCT FROM OLD.start_after
  ) THEN
    NEW.state_id := 'AW';
  END IF;
  NEW.wants_key := NEW.wants_key AND NEW.state_id = 'AB';
  IF NEW.state_id IN ('AW', 'AD') THEN
    NEW.state_id := CASE WHEN NEW.start_after > v_now THEN 'AD' ELSE 'AW' END;
    IF NEW.state_id = 'AW' AND OLD.state_id <> 'AW' AND NOT OLD.wants_key THEN
      NEW.ready_seq := nextval('long_task.ready_seq');
    END IF;
    IF NEW.worker_id IS NULL THEN
      PERFORM long_task.announce_ready(NEW.group_id);
    ELSE
      PERFORM long_task.announce(NULL, NEW.worker_id);
    END IF;
  END IF;
  IF NEW.group_id <> OLD.group_id AND NEW.running_on IS NOT NULL THEN
    PERFORM long_task.announce(OLD.group_id, NULL); -- where it leaves room, if there is a limit
  END IF;
  IF NEW.state_id <> OLD.state_id THEN
    NEW.last_state_change := v_now;
    IF NEW.running_on IS NOT NULL THEN
      PERFORM long_task.announce(NULL, NEW.running_on);
    END IF;
    IF NEW.shed_waiting AND NEW.state_id LIKE 'C%' THEN
      PERFORM long_task.announce(NULL, NULL); -- for the start that has waited for this end
    END IF;
  END IF;
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.move_task() IS
  'Trigger: allow or refuse a change of state, turn AW into AD and AC into CC where that is what is meant, wake the nodes.';

CREATE OR REPLACE TRIGGER move_task
BEFORE UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.running_on IS NOT DISTINCT FROM OLD.running_on
  AND (
    NEW.id <> OLD.id
    OR NEW.state_id <> OLD.state_id
    OR NEW.queued_by <> OLD.queued_by
    OR NEW.start_after IS DISTINCT FROM OLD.start_after
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
    OR NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
  )
)
EXECUTE FUNCTION long_task.move_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/move_task', 'pg_tasks', 'changelog.xml', NOW(), 135, '9:7b93fb87341b7292c052b7a6550f2552', 'sqlFile path=procedures/move_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/needs_verdict::pg_tasks

-- needs_verdict: whether a task may start, as far as the tasks go that it needs.
--
-- Called by  settle_tasks, settle_entering_task, pick_tasks
-- Locks      nothing
-- Raises     nothing
--
-- Each question is one look into a partial index. What is open is looked for from the highest id, because the
-- lower ones end first, and what has ended leaves dead entries behind.
--
-- Returns start, wait, or cancel.
CREATE OR REPLACE FUNCTION long_task.needs_verdict(
  p_task_id bigint,
  p_needs   text,
  p_unmet   text
)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_any    boolean := COALESCE(p_needs, 'all') = 'any';
  v_unmet  text := COALESCE(p_unmet, 'cancel');
  v_open   boolean;
  v_failed boolean;
BEGIN
  IF v_any AND EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND d.met
  ) THEN
    RETURN 'start';
  END IF;
  v_open := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NULL AND d.enabled
    ORDER BY d.task_id DESC, d.needs_task_id DESC
    LIMIT 1
  );
  IF v_open AND (v_any OR v_unmet <> 'cancel') THEN
    RETURN 'wait';
  END IF;
  v_failed := EXISTS (
    SELECT
    FROM long_task.task_dependency AS d
    WHERE d.task_id = p_task_id AND d.met IS NOT NULL AND d.enabled AND NOT d.met
  );
  RETURN CASE WHEN v_failed THEN v_unmet WHEN v_open THEN 'wait' ELSE 'start' END;
END
$$;

COMMENT ON FUNCTION long_task.needs_verdict(bigint, text, text) IS
  'Whether a task may start as far as its dependencies go: start, wait, or cancel, given its columns needs and unmet.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/needs_verdict', 'pg_tasks', 'changelog.xml', NOW(), 136, '9:961b942aaf4e63a289954c23623f633c', 'sqlFile path=procedures/needs_verdict.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/next_round::pg_tasks

-- next_round: when all is to be gone through again that retention says something about.
--
-- Called by  maintain_step
-- Locks      nothing
-- Raises     nothing
--
-- Without a policy there is nothing to do but to begin another partition of history once in a while.
CREATE OR REPLACE FUNCTION long_task.next_round(p_now timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_shortest interval;
BEGIN
  IF NOT EXISTS (SELECT FROM long_task.retention) AND NOT EXISTS (SELECT FROM long_task.history_retention) THEN
    RETURN p_now + interval '1 hour';
  END IF;
  SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) INTO v_shortest
  FROM long_task.retention AS r;
  RETURN p_now + LEAST(interval '1 minute', GREATEST(COALESCE(v_shortest / 10, interval '1 minute'), interval '1 second'));
END
$$;

COMMENT ON FUNCTION long_task.next_round(timestamptz) IS
  'When all is to be gone through again that retention says something about.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/next_round', 'pg_tasks', 'changelog.xml', NOW(), 137, '9:beda9e1d40542fa05b6952e7a4544088', 'sqlFile path=procedures/next_round.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/next_start_after::pg_tasks

-- next_start_after: the first start of a task's schedule after a given time.
--
-- Called by  due_starts, latest_start, find_next_start, schedule_preview
-- Locks      nothing
-- Raises     LT007 bad schedule
--
-- Null: there is none, because the schedule has neither cron nor a period, or ends before (until).
CREATE OR REPLACE FUNCTION long_task.next_start_after(
  p_schedule long_task.schedule,
  p_after    timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_next timestamptz;
BEGIN
  IF p_schedule.cron IS NOT NULL THEN
    v_next := long_task.cron_time_after(p_schedule.cron_fields, p_schedule.time_zone, p_after);
  ELSIF p_schedule.shed_period_id IS NOT NULL THEN
    v_next := long_task.schedule_time_after(
      COALESCE(p_schedule.shed_anchor, p_schedule.next_start), p_schedule.shed_period_id, COALESCE(p_schedule.shed_period_count, 1),
      p_schedule.time_zone, p_after
    );
  END IF;
  RETURN CASE WHEN (v_next > p_schedule.until) IS NOT TRUE THEN v_next END;
END
$$;

COMMENT ON FUNCTION long_task.next_start_after(long_task.schedule, timestamptz) IS
  'First start after a time of a task''s cron line or of its interval; null: there is none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/next_start_after', 'pg_tasks', 'changelog.xml', NOW(), 138, '9:c8aff03c7662e1e22c9a99794c5aa083', 'sqlFile path=procedures/next_start_after.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/next_starts::pg_tasks

-- next_starts: the next three starts of a task's schedule, for a page of many.
--
-- Called by  view scheduled
-- Locks      nothing
-- Raises     nothing: one schedule that cannot be evaluated must not hide all others
CREATE OR REPLACE FUNCTION long_task.next_starts(
  p_task_id    bigint,
  p_next_start timestamptz
)
RETURNS timestamptz[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN ARRAY(SELECT long_task.schedule_preview(p_task_id, 3, p_next_start));
EXCEPTION
  WHEN data_exception OR SQLSTATE 'LT007' OR SQLSTATE 'LT004' THEN
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.next_starts(bigint, timestamptz) IS
  'The next three starts of a task''s schedule from its next_start on; null: it cannot be evaluated.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/next_starts', 'pg_tasks', 'changelog.xml', NOW(), 139, '9:7f325ea62b3c0a07a23fc221ef93c461', 'sqlFile path=procedures/next_starts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/note_maintenance::pg_tasks

-- note_maintenance: write down what went wrong while tidying up.
--
-- Called by  clear_tasks, sweep_runs, maintain_step
-- Locks      the row of maintenance, which whoever tidies up writes in any case
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.note_maintenance(p_error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.maintenance AS m
  SET error = left(p_error, 1000);
END
$$;

COMMENT ON FUNCTION long_task.note_maintenance(text) IS
  'Write down what went wrong while tidying up.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/note_maintenance', 'pg_tasks', 'changelog.xml', NOW(), 140, '9:bc3aa021982b3b1dadf61f058551fa3b', 'sqlFile path=procedures/note_maintenance.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/number_workflow::pg_tasks

-- number_workflow: give a new version of a workflow its number.
--
-- Called by  trigger on workflow, before INSERT.
-- Locks      nothing: of two that take the same number at once one is refused by the primary key
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.number_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.version := COALESCE((SELECT max(w.version) FROM long_task.workflow AS w WHERE w.name = NEW.name) + 1, 1);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.number_workflow() IS
  'Trigger: give a new version of a workflow its number.';

CREATE OR REPLACE TRIGGER number_workflow
BEFORE INSERT ON long_task.workflow
FOR EACH ROW
WHEN (NEW.version IS NULL)
EXECUTE FUNCTION long_task.number_workflow();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/number_workflow', 'pg_tasks', 'changelog.xml', NOW(), 141, '9:7cd1076e2deca5df7e071c0cfa05839f', 'sqlFile path=procedures/number_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/parse_cron::pg_tasks

-- parse_cron: take a cron line apart.
--
-- Called by  find_next_start, schedule_preview
-- Locks      nothing
-- Raises     LT007 bad schedule, saying which field
--
-- The syntax is that of crontab(5): minute, hour, day of month, month, day of week, with names for months and
-- weekdays, 0 and 7 for Sunday, and @hourly to @yearly; and what other crons have beside it: L the last day,
-- LW the last weekday from Monday to Friday, 15W the one nearest to the 15th in its month, 5L the last
-- Friday, 5#2 the second.
--
-- As in crontab(5), a day has to match both day fields if one of them begins with *, else one of them.
CREATE OR REPLACE FUNCTION long_task.parse_cron(p_line text)
RETURNS long_task.cron_fields
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_months   CONSTANT text[] := ARRAY['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  v_weekdays CONSTANT text[] := ARRAY['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  v_line     text := lower(btrim(p_line, E' \t\r\n'));
  v_texts    text[];
  v_days     text[];
  v_weeks    text[];
  v_week     bit varying;
  v_item     text;
  v_parts    integer[];
  v_fields   long_task.cron_fields;
BEGIN
  v_texts := regexp_split_to_array(CASE v_line
    WHEN '@hourly' THEN '0 * * * *'
    WHEN '@daily' THEN '0 0 * * *'
    WHEN '@midnight' THEN '0 0 * * *'
    WHEN '@weekly' THEN '0 0 * * 0'
    WHEN '@monthly' THEN '0 0 1 * *'
    WHEN '@yearly' THEN '0 0 1 1 *'
    WHEN '@annually' THEN '0 0 1 1 *'
    ELSE v_line
  END, '\s+');
  IF cardinality(v_texts) IS DISTINCT FROM 5 THEN
    PERFORM long_task.refuse('LT007',
      format('cron %s has %s fields, not five', COALESCE(quote_literal(p_line), 'null'), COALESCE(cardinality(v_texts), 0)),
      'They are minute, hour, day of month, month and day of week; or one of @hourly @daily @weekly @monthly @yearly.');
  END IF;

  v_fields.minutes := long_task.parse_cron_field(p_line, 'minute', string_to_array(v_texts[1], ','), 0, 59);
  v_fields.hours := long_task.parse_cron_field(p_line, 'hour', string_to_array(v_texts[2], ','), 0, 23);
  v_fields.every_hour := v_texts[2] ~ '[*/]';
  IF v_texts[4] ~ '[a-z]' THEN
    FOR v_n IN 1 .. 12 LOOP
      v_texts[4] := regexp_replace(v_texts[4], '\m' || v_months[v_n] || '\M', v_n::text, 'g');
    END LOOP;
  END IF;
  v_fields.months := substring(
    long_task.parse_cron_field(p_line, 'month', string_to_array(v_texts[4], ','), 1, 12) FROM 2);

  v_days := string_to_array(v_texts[3], ',');
  v_fields.last_day := 'l' = ANY (v_days);
  v_fields.last_workday := 'lw' = ANY (v_days);
  v_days := array_remove(array_remove(v_days, 'l'), 'lw');
  FOREACH v_item IN ARRAY v_days LOOP
    v_parts := regexp_match(v_item, '^(\d{1,2})w$')::integer[];
    IF v_parts[1] BETWEEN 1 AND 31 THEN
      v_fields.near_days := v_fields.near_days || v_parts;
      v_days := array_remove(v_days, v_item);
    END IF;
  END LOOP;
  v_fields.days := substring(long_task.parse_cron_field(p_line, 'day of month', v_days, 1, 31) FROM 2);

  IF v_texts[5] ~ '[a-z]' THEN
    v_texts[5] := regexp_replace(v_texts[5], '(?<!sun)-sun', '-7', 'g'); -- a week may end on Sunday
    FOR v_n IN 1 .. 7 LOOP
      v_texts[5] := regexp_replace(v_texts[5], '\m' || v_weekdays[v_n] || '(?=l?\M)', (v_n - 1)::text, 'g');
    END LOOP;
  END IF;
  v_weeks := string_to_array(v_texts[5], ',');
  FOREACH v_item IN ARRAY v_weeks LOOP
    v_parts := regexp_match(v_item, '^([0-7])(?:#([1-5])|l)$')::integer[];
    IF v_parts IS NOT NULL THEN
      v_fields.nth_weekdays := v_fields.nth_weekdays || (v_parts[1] % 7 * 10 + COALESCE(v_parts[2], 0));
      v_weeks := array_remove(v_weeks, v_item);
    END IF;
  END LOOP;
  v_week := long_task.parse_cron_field(p_line, 'day of week', v_weeks, 0, 7);
  v_fields.weekdays := substring(set_bit(v_week, 0, GREATEST(get_bit(v_week, 0), get_bit(v_week, 7))) FOR 7);

  v_fields.either_day := v_texts[3] !~ '^\*' AND v_texts[5] !~ '^\*';
  RETURN v_fields;
END
$$;

COMMENT ON FUNCTION long_task.parse_cron(text) IS
  'A cron line as bits and lists: five fields with lists, ranges, steps, names, L, W and #, or @hourly to @yearly.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/parse_cron', 'pg_tasks', 'changelog.xml', NOW(), 142, '9:aac3b6457e88d4e7a70529cabf0135cb', 'sqlFile path=procedures/parse_cron.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/parse_cron_field::pg_tasks

-- parse_cron_field: which values a list of items in one field of a cron line names, as bits.
--
-- Called by  parse_cron
-- Locks      nothing
-- Raises     LT007 bad schedule, saying which field
--
-- An item is *, n or n-m, each with a step if wanted; n/step goes on to the end of the field. A step that is
-- longer than the field is refused: */90 in the minutes is not every 90 minutes.
CREATE OR REPLACE FUNCTION long_task.parse_cron_field(
  p_line  text,
  p_field text,
  p_items text[],
  p_low   integer,
  p_high  integer
)
RETURNS bit varying
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_bits   bit varying := repeat('0', p_high + 1)::bit varying;
  v_item   text;
  v_parts  integer[];
  v_first  integer;
  v_last   integer;
  v_step   integer;
  v_reason text;
BEGIN
  FOREACH v_item IN ARRAY p_items LOOP
    v_parts := regexp_match(v_item, '^(?:\*|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?$')::integer[];
    v_first := COALESCE(v_parts[1], p_low);
    v_step := COALESCE(v_parts[3], 1);
    v_last := COALESCE(v_parts[2], CASE WHEN v_parts[1] IS NULL OR v_parts[3] IS NOT NULL THEN p_high ELSE v_first END);
    v_reason := CASE
      WHEN v_parts IS NULL THEN 'is not understood'
      WHEN v_first < p_low OR v_last > p_high THEN format('is not between %s and %s', p_low, p_high)
      WHEN v_first > v_last THEN 'goes backwards'
      WHEN v_step NOT BETWEEN 1 AND p_high - p_low + 1 THEN format('has a step that is not between 1 and %s', p_high - p_low + 1)
    END;
    IF v_reason IS NOT NULL THEN
      PERFORM long_task.refuse('LT007',
        format('%s %s of cron %s %s', p_field, quote_literal(v_item), quote_literal(p_line), v_reason),
        'Values are such as 5, 1-5, 1,3 or */10; months and days of the week have names; days have L, LW, 15W, 5L and 5#2 too.');
    END IF;
    FOR v_value IN v_first .. v_last BY v_step LOOP
      v_bits := set_bit(v_bits, v_value, 1);
    END LOOP;
  END LOOP;
  RETURN v_bits;
END
$$;

COMMENT ON FUNCTION long_task.parse_cron_field(text, text, text[], integer, integer) IS
  'Bits for the values 0 to p_high that a list of items of a cron field names.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/parse_cron_field', 'pg_tasks', 'changelog.xml', NOW(), 143, '9:2b34c58d33f344387a316586de86205e', 'sqlFile path=procedures/parse_cron_field.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/parse_result::pg_tasks

-- parse_result: the JSON that a process left as its result.
--
-- Called by  finish_attempts
-- Locks      nothing
-- Raises     nothing: a result that cannot be stored must not stop the reports it travels with.
CREATE OR REPLACE FUNCTION long_task.parse_result(p_text text)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN p_text::jsonb;
EXCEPTION
  WHEN data_exception OR program_limit_exceeded THEN
    RETURN jsonb_build_object('unreadable_result', left(p_text, 1000));
END
$$;

COMMENT ON FUNCTION long_task.parse_result(text) IS
  'The text as jsonb; one that PostgreSQL cannot store, as {"unreadable_result": its beginning}.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/parse_result', 'pg_tasks', 'changelog.xml', NOW(), 144, '9:aceb19aed8f16d981c346ec6d95188e3', 'sqlFile path=procedures/parse_result.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/passed_bytes::pg_tasks

-- passed_bytes: how much a task is given by those it needs.
--
-- Called by  pick_tasks and order_with_results, which bound it
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.passed_bytes(
  p_task_id bigint,
  p_command text
)
RETURNS bigint
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN (
    SELECT COALESCE(sum(COALESCE(octet_length(p.result::text), octet_length(p.output))), 0)
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  );
END
$$;

COMMENT ON FUNCTION long_task.passed_bytes(bigint, text) IS
  'Bytes of the results that are passed to a task by those it needs.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/passed_bytes', 'pg_tasks', 'changelog.xml', NOW(), 145, '9:b5a95e2a6319891823b1f8c8e15c7f88', 'sqlFile path=procedures/passed_bytes.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/pause_schedule::pg_tasks

-- pause_schedule: pause the schedule of a task that could not be fired.
--
-- Called by  fire_schedules, which has locked the row.
-- Locks      nothing more
-- Raises     nothing
--
-- Returns whether that could be done: a trigger of somebody else's may refuse it.
CREATE OR REPLACE FUNCTION long_task.pause_schedule(
  p_task_id bigint,
  p_reason  text
)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.task AS t
  SET
    queued_by = 'system',
    shed_enabled = false,
    shed_error = p_reason
  WHERE t.id = p_task_id;
  RETURN true;
EXCEPTION
  WHEN OTHERS THEN
    RAISE WARNING 'the schedule of task % could not be paused: %', p_task_id, SQLERRM;
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.pause_schedule(bigint, text) IS
  'Pause the schedule of a task that could not be fired, and say why. Returns false if that cannot be done.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/pause_schedule', 'pg_tasks', 'changelog.xml', NOW(), 146, '9:9594c808a74050ffc267d8ed908aa116', 'sqlFile path=procedures/pause_schedule.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/pick_tasks::pg_tasks

-- pick_tasks: lock the ready tasks that a worker may start now, best first.
--
-- Called by  claim_tasks
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED, in the order of the two ready indexes. FOR UPDATE
--            would pass over rows that an open transaction references by a foreign key.
--            The keys and groups with a limit, as key_room and group_room.
-- Raises     nothing
--
-- A task whose key has no room is put aside, so that it is passed by once and not by each claim. If another claim is
-- about to find out, it stays where it is, for the next call.
--
-- It ends with the task that makes the answer 16 MiB long; the next call takes what is left. check_task_input sees to it
-- that no task is longer than 20 MiB, so that no answer can be longer than PostgreSQL and the node can
-- take, even if each byte is written as six (\u0001).
--
-- Between the gaps of a queue each part is read in its turn, until there is enough.
--
-- The settings of claim_tasks hold here too, and keep the plan on the ready indexes.
CREATE OR REPLACE FUNCTION long_task.pick_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS bigint[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_enough       CONSTANT integer := 16777216;
  v_enough_time  CONSTANT interval := interval '0.3 seconds';
  v_many         CONSTANT integer := 500;
  v_begun        timestamptz := clock_timestamp(); -- a duration, not a time
  v_group_spans  long_task.queue_span[] := long_task.queue_spans('group', p_group_id);
  v_worker_spans long_task.queue_span[] := long_task.queue_spans('worker', p_worker_id);
  v_fetch        integer := p_limit;
  v_length       integer := 0;
  v_room         integer := p_limit;
  v_group_room   integer;
  v_other_rooms  jsonb := jsonb_build_object();
  v_key_rooms    jsonb := jsonb_build_object();
  v_key_room     integer;
  v_task         record;
  v_seen         bigint[] := ARRAY[]::bigint[];
  v_before       integer;
  v_aside        bigint[];
  v_ids          bigint[] := ARRAY[]::bigint[];
BEGIN
  IF EXISTS (SELECT FROM long_task.group_limit AS g WHERE g.group_id = p_group_id) THEN
    v_room := long_task.group_room(p_group_id, p_limit);
  END IF;
  LOOP
    v_aside := ARRAY[]::bigint[];
    v_before := cardinality(v_seen);
    FOR v_task IN
      WITH of_group AS (
        SELECT f.*
        FROM unnest(v_group_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id IS NULL
            AND t.group_id = p_group_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT CASE WHEN v_room > 0 THEN v_fetch ELSE 0 END
      ),
      of_worker AS (
        SELECT f.*
        FROM unnest(v_worker_spans) AS s
        CROSS JOIN LATERAL (
          SELECT
            t.id, t.priority, t.ready_seq, t.group_id, t.concurrency_key, t.command, t.params, t.env, t.stdin,
            t.has_needs, t.needs, t.unmet
          FROM long_task.task AS t
          WHERE t.state_id = 'AW'
            AND t.running_on IS NULL
            AND t.worker_id = p_worker_id
            AND (t.priority, t.ready_seq) >= (s.from_lane, s.from_place)
            AND (t.priority, t.ready_seq) < (s.to_lane, s.to_place)
            AND t.id <> ALL (v_seen)
          ORDER BY t.priority, t.ready_seq
          LIMIT v_fetch
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS f
        LIMIT v_fetch
      )
      SELECT * FROM of_group
      UNION ALL
      SELECT * FROM of_worker
      ORDER BY priority, ready_seq
      LIMIT v_fetch
    LOOP
      EXIT WHEN cardinality(v_ids) = p_limit OR v_length >= v_enough;
      v_seen := v_seen || v_task.id;
      -- One of the worker's own may be of another group: that is asked for each.
      IF v_task.group_id = p_group_id THEN
        v_group_room := v_room;
      ELSE
        IF NOT v_other_rooms ? v_task.group_id::text THEN
          v_other_rooms := v_other_rooms
            || jsonb_build_object(v_task.group_id, long_task.group_room(v_task.group_id, p_limit));
        END IF;
        v_group_room := (v_other_rooms ->> v_task.group_id::text)::integer;
      END IF;
      CONTINUE WHEN (v_group_room > 0) IS NOT TRUE;
      -- What it needs may have been queued again by somebody while another held its row.
      CONTINUE WHEN v_task.has_needs AND long_task.needs_verdict(v_task.id, v_task.needs, v_task.unmet) <> 'start';
      IF v_task.concurrency_key IS NOT NULL THEN
        IF NOT v_key_rooms ? v_task.concurrency_key THEN
          v_key_rooms := v_key_rooms
            || jsonb_build_object(v_task.concurrency_key, long_task.key_room(v_task.concurrency_key));
        END IF;
        v_key_room := (v_key_rooms ->> v_task.concurrency_key)::integer;
        IF v_key_room <= 0 THEN
          v_aside := v_aside || v_task.id;
        END IF;
        CONTINUE WHEN (v_key_room > 0) IS NOT TRUE;
        v_key_rooms := v_key_rooms || jsonb_build_object(v_task.concurrency_key, v_key_room - 1);
      END IF;
      IF v_task.group_id = p_group_id THEN
        v_room := v_room - 1;
      ELSE
        v_other_rooms := v_other_rooms || jsonb_build_object(v_task.group_id, v_group_room - 1);
      END IF;
      v_ids := v_ids || v_task.id;
      -- Here, and not in the query, so that nothing is read of the tasks that are left.
      v_length := v_length
        + octet_length(v_task.command::text)
        + COALESCE(octet_length(v_task.params::text), 0)
        + COALESCE(octet_length(v_task.env::text), 0)
        + COALESCE(octet_length(v_task.stdin), 0);
      IF v_task.has_needs THEN
        v_length := v_length + LEAST(long_task.passed_bytes(v_task.id, array_to_string(v_task.command, ' ')), v_enough);
      END IF;
    END LOOP;
    IF cardinality(v_aside) > 0 THEN
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = 'AB',
        wants_key = true
      WHERE t.id = ANY (v_aside);
    END IF;
    EXIT WHEN cardinality(v_seen) = cardinality(v_ids) -- nobody was passed over
      OR cardinality(v_ids) = p_limit
      OR v_length >= v_enough
      OR cardinality(v_seen) = v_before -- nobody is left
      OR clock_timestamp() > v_begun + v_enough_time;
    v_fetch := v_many;
  END LOOP;
  RETURN v_ids;
END
$$;

COMMENT ON FUNCTION long_task.pick_tasks(integer, integer, integer) IS
  'Lock up to so many ready tasks for a worker, and not too much at once, as far as limits have room. Returns their ids, best first.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/pick_tasks', 'pg_tasks', 'changelog.xml', NOW(), 147, '9:3cf2a4473b82207a3931366cb6b33b53', 'sqlFile path=procedures/pick_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/pinned_worker::pg_tasks

-- pinned_worker: the only worker that may run a task when it is queued again.
--
-- Called by  fire_tasks, insert_clones, run_now
-- Locks      nothing
-- Raises     nothing
--
-- A worker_id that is only the trace of who ran the task last binds nobody. A body that is parsed here, not at each
-- call: its expression becomes a part of the calling statement.
CREATE OR REPLACE FUNCTION long_task.pinned_worker(p_task long_task.task)
RETURNS integer
LANGUAGE sql
IMMUTABLE
RETURN CASE WHEN p_task.pinned OR p_task.attempt = 0 THEN p_task.worker_id END;

COMMENT ON FUNCTION long_task.pinned_worker(long_task.task) IS
  'The worker that a person has given a task to; null: any of its group.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/pinned_worker', 'pg_tasks', 'changelog.xml', NOW(), 148, '9:fcc4523443b79901fb5352274caf3a1d', 'sqlFile path=procedures/pinned_worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/preview_from::pg_tasks

-- preview_from: the time from which a preview of a schedule begins.
--
-- Called by  schedule_preview
-- Locks      nothing
-- Raises     LT004 bad value
CREATE OR REPLACE FUNCTION long_task.preview_from(
  p_from  timestamptz,
  p_count integer
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_first CONSTANT timestamptz := timestamptz '1900-01-01 00:00+00';
  v_last  CONSTANT timestamptz := timestamptz '9999-12-31 00:00+00';
BEGIN
  IF (p_count BETWEEN 0 AND 10000) IS NOT TRUE THEN
    PERFORM long_task.refuse('LT004', format('%s starts cannot be shown', COALESCE(p_count::text, 'null')),
      'Ask for 0 to 10000.');
  END IF;
  IF p_from NOT BETWEEN v_first AND v_last THEN
    PERFORM long_task.refuse('LT004', format('starts from %s on cannot be shown', p_from),
      'Give a time between the years 1900 and 9999.');
  END IF;
  RETURN COALESCE(p_from, long_task.clock());
END
$$;

COMMENT ON FUNCTION long_task.preview_from(timestamptz, integer) IS
  'The time from which a preview begins: now if none is given. Refuses what cannot be shown.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/preview_from', 'pg_tasks', 'changelog.xml', NOW(), 149, '9:80413379981fc876df73f1c011b35ea0', 'sqlFile path=procedures/preview_from.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/reconcile_attempts::pg_tasks

-- reconcile_attempts: find the attempts a worker has claimed and its node knows nothing of.
--
-- Called by  sync, when the node names what it runs: at the first call of each connection, and at each
--            renewal. The answer to an earlier call may have been lost with the connection after its
--            claims were committed.
-- Locks      nothing
-- Raises     nothing
--
-- Within one lease everything the node ever heard of is in p_known until it has been reported, so what
-- is missing there has never been started, and is started now, as the same attempt. A task that the
-- node knows by the report of an earlier attempt is missing too: the call whose answer was lost had
-- taken that report in and claimed the task again.
CREATE OR REPLACE FUNCTION long_task.reconcile_attempts(
  p_worker_id integer,
  p_known     bigint[],
  p_reports   json
)
RETURNS json
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
  -- An idle node's: by far the cheapest question.
  IF NOT EXISTS (SELECT FROM long_task.task AS t WHERE t.running_on = p_worker_id) THEN
    RETURN NULL;
  END IF;
  RETURN (
    SELECT json_agg(long_task.start_order(t) ORDER BY t.priority, t.ready_seq)
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
      AND (
        t.id <> ALL (p_known)
        OR EXISTS (
          SELECT
          FROM json_to_recordset(p_reports) AS r(task_id bigint, attempt integer)
          WHERE r.task_id = t.id
            AND r.attempt <> t.attempt
        )
      )
  );
END
$$;

COMMENT ON FUNCTION long_task.reconcile_attempts(integer, bigint[], json) IS
  'How to start the attempts that a worker has claimed and its node, by what it knows and reports, has never heard of; null if there are none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/reconcile_attempts', 'pg_tasks', 'changelog.xml', NOW(), 150, '9:fa7f1936f47b097a8cc32bf874edf532', 'sqlFile path=procedures/reconcile_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/recover_failed_workers::pg_tasks

-- recover_failed_workers: give back the tasks of workers whose node has failed, and tell which to watch.
--
-- Called by  sync, at the renewal of a lease: every node watches over some others.
-- Locks      as recover_watched
-- Raises     nothing
--
-- p_watched: the leases (lease_state) for whose end the node has waited by its own clock; no other is judged.
--
-- Which ones: so many as come after it in the order of index worker_lease_watch, so that the watch over a fleet costs each
-- node the same however large it is, and each lease has so many watchers. All others, if there are no more than that.
-- Those that are over and could not be recovered, because somebody holds their rows, come on top, or they would hide others
-- for as long: of these only some, because each call tries them all.
--
-- Returns a JSON array of the leases to be watched, each as [lease_state, seconds until it is over by the
-- database's clock, seconds that the whole of it lasts].
CREATE OR REPLACE FUNCTION long_task.recover_failed_workers(
  p_worker_id integer,
  p_watched   text[]
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_stuck CONSTANT integer := 50;
  v_some  integer := 10;
  v_now   timestamptz;
BEGIN
  IF cardinality(p_watched) > 0 THEN
    PERFORM long_task.recover_watched(p_worker_id, p_watched);
    v_some := v_some + LEAST(v_stuck, (
      SELECT count(*)
      FROM long_task.worker_lease AS l
      WHERE l.active
        AND l.worker_id <> p_worker_id
        AND long_task.lease_over_at(l) <= long_task.clock()
        AND long_task.lease_state(l) = ANY (p_watched)
    ));
  END IF;
  v_now := long_task.clock();
  RETURN (
    SELECT json_agg(json_build_array(
      long_task.lease_state(w.lease),
      extract(epoch FROM long_task.lease_over_at(w.lease) - v_now),
      extract(epoch FROM (w.lease).lease_duration + (w.lease).recovery_delay)
    ))
    FROM (
      SELECT o.lease
      FROM (
        (
          SELECT a AS lease
          FROM long_task.worker_lease AS a
          WHERE a.active
            AND hashint4(a.worker_id) > hashint4(p_worker_id)
          ORDER BY hashint4(a.worker_id)
          LIMIT v_some
        )
        UNION ALL
        (
          SELECT b
          FROM long_task.worker_lease AS b
          WHERE b.active
            AND hashint4(b.worker_id) <= hashint4(p_worker_id)
            AND b.worker_id <> p_worker_id
          ORDER BY hashint4(b.worker_id)
          LIMIT v_some
        )
      ) AS o
      LIMIT v_some
    ) AS w
  );
END
$$;

COMMENT ON FUNCTION long_task.recover_failed_workers(integer, text[]) IS
  'Give back the tasks of workers whose node has failed. Returns the leases that this worker''s node has to watch; null: none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/recover_failed_workers', 'pg_tasks', 'changelog.xml', NOW(), 151, '9:feb25de7a6b3997aeb305b0ff6076433', 'sqlFile path=procedures/recover_failed_workers.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/recover_watched::pg_tasks

-- recover_watched: give back the tasks of those of some workers whose lease is over.
--
-- Called by  recover_failed_workers, if its node has waited for the end of a lease
-- Locks      lease rows of failed workers FOR UPDATE SKIP LOCKED, so that one of the watchers does it and
--            none waits; task rows, as finish_attempts does.
-- Raises     nothing
--
-- Rows that somebody holds in an open transaction are passed over. The lease stays until none is left, so
-- that its worker is given to nobody whose tasks would then be somebody else's.
--
-- p_watched: leases (lease_state); one that has been renewed since is another one, and is let be.
CREATE OR REPLACE FUNCTION long_task.recover_watched(
  p_worker_id integer,
  p_watched   text[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  FOR v_lease IN
    SELECT l.*
    FROM long_task.worker_lease AS l
    WHERE l.active
      AND l.worker_id <> p_worker_id
      AND long_task.lease_over_at(l) <= long_task.clock()
      AND long_task.lease_state(l) = ANY (p_watched)
    ORDER BY l.worker_id
    FOR UPDATE SKIP LOCKED
  LOOP
    v_lost := long_task.end_lease(v_lease);
    IF v_lost IS NOT NULL THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and worker %s saw it', long_task.name_holder(v_lease), p_worker_id));
      PERFORM long_task.announce(NULL, v_lease.worker_id);
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.recover_watched(integer, text[]) IS
  'Give back the tasks of those of some workers whose lease is over.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/recover_watched', 'pg_tasks', 'changelog.xml', NOW(), 152, '9:1b6bde6a1fc4b37fab108080504902a3', 'sqlFile path=procedures/recover_watched.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/recover_worker_tasks::pg_tasks

-- recover_worker_tasks: give back the tasks of a worker whose node is gone.
--
-- Called by  people, for a worker whose node has failed; nodes do it by themselves (recover_failed_workers).
-- Locks      the worker's lease row; task rows, as finish_attempts does.
-- Raises     LT001 the worker is being served, LT004 a transaction with an old snapshot
--
-- A claim locks the lease row and writes no version of it. A transaction that keeps its first snapshot would
-- get the lock of the row and not see what was claimed before: it would close the lease over tasks that
-- nobody would ever give back.
--
-- Returns how many attempts were lost. Those whose row somebody holds in an open transaction are passed
-- over, and are the worker's until this is called again.
CREATE OR REPLACE FUNCTION long_task.recover_worker_tasks(p_worker_id integer)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    PERFORM long_task.refuse('LT004', format('worker %s cannot be recovered in a transaction that is %s',
      p_worker_id, current_setting('transaction_isolation')), 'BEGIN ISOLATION LEVEL READ COMMITTED');
  END IF;
  SELECT l.* INTO v_lease
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = p_worker_id
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  IF v_lease.active AND long_task.lease_over_at(v_lease) > long_task.clock() THEN
    PERFORM long_task.refuse('LT001', format('worker %s is served until %s', p_worker_id, v_lease.locked_until),
      'Wait for the end of its lease, or set stop = 3 to have its node cancel everything and leave.');
  END IF;
  v_lost := long_task.end_lease(v_lease);
  IF v_lease.active AND v_lost IS NOT NULL THEN
    PERFORM long_task.log_event('recovered', v_lease, v_lost,
      format('%s failed, and %s saw it', long_task.name_holder(v_lease), session_user));
  END IF;
  RETURN COALESCE(v_lost, 0);
END
$$;

COMMENT ON FUNCTION long_task.recover_worker_tasks(integer) IS
  'Give back the tasks of a worker whose node is gone. Returns how many attempts were lost.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/recover_worker_tasks', 'pg_tasks', 'changelog.xml', NOW(), 153, '9:78820aecd49899a0fbcfc7d8d5e4f023', 'sqlFile path=procedures/recover_worker_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/refresh_needs::pg_tasks

-- refresh_needs: bring what is known of the tasks that some tasks need in line with their rows.
--
-- Called by  link_tasks, relink_task, settle_entering_task
-- Locks      those tasks FOR SHARE, the dependencies FOR NO KEY UPDATE, both SKIP LOCKED and only where something differs.
--            What somebody holds is left to a later sync.
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.refresh_needs(p_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_needed bigint[];
  v_held   bigint[];
BEGIN
  v_needed := ARRAY(
    SELECT DISTINCT d.needs_task_id
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = ANY (p_ids)
      AND d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
  );
  IF cardinality(v_needed) = 0 THEN
    RETURN;
  END IF;
  WITH needed AS MATERIALIZED (
    SELECT p.id, p.state_id, p.running_on, p.result
    FROM long_task.task AS p
    WHERE p.id = ANY (v_needed)
    FOR SHARE SKIP LOCKED
  ),
  free AS MATERIALIZED (
    SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, n.state_id, n.running_on, n.result) AS met
    FROM needed AS n
    JOIN long_task.task_dependency AS d ON d.needs_task_id = n.id
    WHERE d.task_id = ANY (p_ids)
    FOR NO KEY UPDATE OF d SKIP LOCKED
  ),
  written AS (
    UPDATE long_task.task_dependency AS d
    SET met = f.met
    FROM free AS f
    WHERE d.task_id = f.task_id
      AND d.needs_task_id = f.needs_task_id
    RETURNING d.needs_task_id
  )
  SELECT array_agg(h.id) INTO v_held
  FROM (
    SELECT n.id FROM unnest(v_needed) AS n(id)
    EXCEPT
    SELECT w.needs_task_id FROM written AS w
  ) AS h;
  IF v_held IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_held, true);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.refresh_needs(bigint[]) IS
  'Bring what is known of the tasks that these need in line with their rows.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/refresh_needs', 'pg_tasks', 'changelog.xml', NOW(), 154, '9:f12f8fa1a891b9e1305d16feea49537b', 'sqlFile path=procedures/refresh_needs.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/refuse_cycle::pg_tasks

-- refuse_cycle: refuse dependencies through which a task would wait for itself.
--
-- Called by  link_tasks, with the lowest id of a task that got one. They are in the table already.
-- Locks      an advisory lock until the end of the transaction: see below
-- Raises     LT012 bad dependency
--
-- Ids grow, so that most dependencies name an older task. In a cycle the task with the highest id is needed by an older
-- one: each cycle has an upward dependency, to its highest id. So there is nothing to look for unless an
-- upward one leads to a task as new as those that got one; and only cycles through upward ones are looked for.
--
-- Two transactions do not see each other's dependencies, and might close a cycle together. So whoever may be closing
-- one is alone (exclusive lock), and waits for all that have written dependencies and are not committed
-- (shared lock). Nodes take no part: the runs that they start have dependencies among new tasks only.
CREATE OR REPLACE FUNCTION long_task.refuse_cycle(p_lowest bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_lock   CONSTANT bigint := hashtextextended('long_task.task_dependency', 0);
  v_newest bigint; -- highest id to which an upward dependency leads
  v_edge   record;
  v_path   bigint[];
BEGIN
  v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
  IF (v_newest >= p_lowest) IS NOT TRUE THEN
    PERFORM pg_advisory_xact_lock_shared(v_lock);
    -- Once more: what was committed during the wait counts.
    v_newest := (SELECT max(d.needs_task_id) FROM long_task.task_dependency AS d WHERE d.task_id < d.needs_task_id);
    IF (v_newest >= p_lowest) IS NOT TRUE THEN
      RETURN;
    END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(v_lock);
  FOR v_edge IN
    SELECT d.task_id, d.needs_task_id
    FROM long_task.task_dependency AS d
    WHERE d.task_id < d.needs_task_id
      AND d.needs_task_id >= p_lowest
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.task_id = d.needs_task_id)
      AND EXISTS (SELECT FROM long_task.task_dependency AS n WHERE n.needs_task_id = d.task_id)
  LOOP
    WITH RECURSIVE needed(id) AS (
      VALUES (v_edge.needs_task_id)
      UNION
      SELECT d.needs_task_id
      FROM needed AS n
      JOIN long_task.task_dependency AS d ON d.task_id = n.id
    )
    SELECT long_task.cycle_path(v_edge.task_id, v_edge.needs_task_id) INTO v_path
    FROM needed AS n
    WHERE n.id = v_edge.task_id;
    IF FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT012',
        MESSAGE = format('task %s would wait for itself: %s', v_path[1], array_to_string(v_path, ' needs ')),
        HINT = 'Leave out one of these dependencies.';
    END IF;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.refuse_cycle(bigint) IS
  'Refuse dependencies, already in the table, of tasks from this id on, through which a task would wait for itself.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/refuse_cycle', 'pg_tasks', 'changelog.xml', NOW(), 155, '9:e3077c0cbdb379b0637fc56677a4b5a3', 'sqlFile path=procedures/refuse_cycle.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/release_delayed_tasks::pg_tasks

-- release_delayed_tasks: make the delayed tasks ready whose time has come, of a group and of a worker.
--
-- Called by  catch_up
-- Locks      task rows FOR NO KEY UPDATE SKIP LOCKED in the order of start_after.
-- Raises     nothing
--
-- A task that is pinned to the worker is released by it alone, as it is claimed by it alone: there may
-- be nobody who serves its group.
CREATE OR REPLACE FUNCTION long_task.release_delayed_tasks(
  p_worker_id integer,
  p_group_id  integer,
  p_limit     integer
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_in_vain      CONSTANT integer := 500;
  v_now          timestamptz := long_task.clock();
  v_ids          bigint[];
  v_group_spans  long_task.queue_span[];
  v_worker_spans long_task.queue_span[];
  v_of_group     bigint;
  v_of_worker    bigint;
BEGIN
  IF current_setting('long_task.gaps', true) <> '' THEN
    PERFORM long_task.look_into_gaps('delayed_group', p_group_id, v_in_vain);
    PERFORM long_task.look_into_gaps('delayed_worker', p_worker_id, v_in_vain);
  END IF;
  v_group_spans := long_task.queue_spans('delayed_group', p_group_id);
  v_worker_spans := long_task.queue_spans('delayed_worker', p_worker_id);
  -- As entries_read, without a call.
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass);
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass);
  WITH of_group AS (
    SELECT f.id, f.start_after
    FROM unnest(v_group_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id IS NULL
        AND t.group_id = p_group_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  ),
  of_worker AS (
    SELECT f.id, f.start_after
    FROM unnest(v_worker_spans) AS s
    CROSS JOIN LATERAL (
      SELECT t.id, t.start_after
      FROM long_task.task AS t
      WHERE t.state_id = 'AD'
        AND t.running_on IS NULL
        AND t.worker_id = p_worker_id
        AND t.start_after >= long_task.place_to_time(s.from_place)
        AND t.start_after < long_task.place_to_time(s.to_place)
        AND t.start_after <= v_now
      ORDER BY t.start_after
      LIMIT p_limit
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS f
    LIMIT p_limit
  )
  SELECT array_agg(d.id ORDER BY d.start_after, d.id)
  INTO v_ids
  FROM (
    SELECT * FROM of_group
    UNION ALL
    SELECT * FROM of_worker
    ORDER BY start_after, id
    LIMIT p_limit
  ) AS d;
  v_of_group := pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass) - v_of_group;
  v_of_worker := pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass) - v_of_worker;

  IF v_ids IS NOT NULL THEN
    -- The trigger move_task gives each its place in the queue, one after the other, and wakes the nodes.
    -- Joined by ctid: of a table that was small when the plan was made, the whole primary key would be read for a join by id.
    UPDATE long_task.task AS t
    SET state_id = 'AW'
    FROM (
      SELECT w.ctid
      FROM unnest(v_ids) WITH ORDINALITY AS d(id, place)
      CROSS JOIN LATERAL (SELECT k.ctid FROM long_task.task AS k WHERE k.id = d.id LIMIT 1) AS w
      ORDER BY d.place
    ) AS r
    WHERE t.ctid = r.ctid;
  END IF;
  IF v_of_group > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_group', p_group_id, v_ids);
  END IF;
  IF v_of_worker > COALESCE(cardinality(v_ids), 0) + v_in_vain THEN
    PERFORM long_task.note_gaps('delayed_worker', p_worker_id, v_ids);
  END IF;
  RETURN COALESCE(cardinality(v_ids), 0);
END
$$;

COMMENT ON FUNCTION long_task.release_delayed_tasks(integer, integer, integer) IS
  'Make up to so many delayed tasks ready whose time has come, of a group and those pinned to a worker. Returns how many.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/release_delayed_tasks', 'pg_tasks', 'changelog.xml', NOW(), 156, '9:e40348b2650390a552b05669d13722ef', 'sqlFile path=procedures/release_delayed_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/relink_task::pg_tasks

-- relink_task: see to the task whose dependency has been changed or deleted.
--
-- Called by  triggers on task_dependency: after UPDATE of what people write, after DELETE.
-- Locks      UPDATE: the tasks at both ends FOR NO KEY UPDATE in the order of their ids; DELETE: as settle_tasks
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a dependency need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.relink_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- With the task itself they are deleted by the thousand.
    IF EXISTS (SELECT FROM long_task.task AS t WHERE t.id = OLD.task_id) THEN
      PERFORM long_task.settle_tasks(ARRAY[OLD.task_id]);
    END IF;
  ELSE
    PERFORM
    FROM long_task.task AS t
    WHERE t.id IN (NEW.task_id, NEW.needs_task_id)
    ORDER BY t.id
    FOR NO KEY UPDATE;
    PERFORM long_task.refresh_needs(ARRAY[NEW.task_id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.task_id]);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.relink_task() IS
  'Trigger: have the task wait or go on whose dependency was changed or deleted.';

REVOKE ALL ON FUNCTION long_task.relink_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER relink_task
AFTER UPDATE OF "on", condition, enabled ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.relink_task();

CREATE OR REPLACE TRIGGER unlink_task
AFTER DELETE ON long_task.task_dependency
FOR EACH ROW
EXECUTE FUNCTION long_task.relink_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/relink_task', 'pg_tasks', 'changelog.xml', NOW(), 157, '9:8d8b2e1c1843a7b2b36923753e510b48', 'sqlFile path=procedures/relink_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/renew_lease::pg_tasks

-- renew_lease: renew a lease over a connection that is new.
--
-- Called by  a node that holds a worker and has connected again, before anything else.
-- Locks      the worker's lease row
-- Raises     LT001 lease lost
--
-- It touches no task, so that a table that is locked for hours costs no lease. From here on the calls that
-- the node's earlier connections may have left behind on their way are refused; what they did before this
-- call, the node finds when it compares (p_known of sync).
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.renew_lease(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_lease_seconds double precision
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE long_task.worker_lease AS l
  SET
    locked_until = long_task.clock() + make_interval(secs => p_lease_seconds),
    connection = p_connection
  WHERE l.worker_id = p_worker_id
    AND l.epoch = p_epoch
    AND l.connection < p_connection
    AND l.active
    AND l.locked_until > long_task.clock();
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT001', format('epoch %s of worker %s is over', p_epoch, p_worker_id),
      'Kill everything and ask for the worker afresh.');
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.renew_lease(integer, bigint, integer, double precision) IS
  'For nodes: renew the lease over a new connection, and refuse what earlier connections left behind.';

REVOKE ALL ON FUNCTION long_task.renew_lease(integer, bigint, integer, double precision) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/renew_lease', 'pg_tasks', 'changelog.xml', NOW(), 158, '9:e46835fcd15090f84f6b4b4e875bdfa8', 'sqlFile path=procedures/renew_lease.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/results_of_needs::pg_tasks

-- results_of_needs: the results of the tasks that a task needs, by the names under which they are passed.
--
-- Called by  order_with_results
-- Locks      nothing
-- Raises     nothing
--
-- p_command  names that it asks for are looked for in it
--
-- A task that has left no result passes the end of its output. Several under one name are an array, in the order of
-- the tasks' ids; so is one alone that is to be gathered.
CREATE OR REPLACE FUNCTION long_task.results_of_needs(
  p_task_id bigint,
  p_command text
)
RETURNS TABLE (
  name  text,
  pass  text,
  value jsonb,
  texts text[]
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
  RETURN QUERY
  SELECT
    n.name,
    max(n.pass),
    CASE
      WHEN count(*) > 1 OR bool_or(n.gather) THEN jsonb_agg(n.value ORDER BY n.id)
      ELSE (array_agg(n.value))[1]
    END,
    array_agg(long_task.plain_text(n.value) ORDER BY n.id)
  FROM (
    SELECT
      p.id,
      COALESCE(d.name, p.name, p.id::text) AS name,
      d.pass,
      d.gather,
      COALESCE(p.result, to_jsonb(p.output)) AS value
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND (d.pass IS NOT NULL OR strpos(p_command, '%RESULT:' || COALESCE(d.name, p.name, p.id::text)) > 0)
  ) AS n
  GROUP BY n.name
  ORDER BY n.name;
END
$$;

COMMENT ON FUNCTION long_task.results_of_needs(bigint, text) IS
  'Results of the tasks that a task needs: name, how they are passed, the value, and the values as lines of text.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/results_of_needs', 'pg_tasks', 'changelog.xml', NOW(), 159, '9:1bb39c129e1cf41c95aeeb5cc6fb7280', 'sqlFile path=procedures/results_of_needs.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/resume_workflow::pg_tasks

-- resume_workflow: run steps of a run again.
--
-- Called by  people
-- Locks      as lock_run; workflow_lock, if its runs come one at a time
-- Raises     LT003 they cannot start now, LT006 no such run or step, LT014 bad mode
--
-- p_mode  failed  what failed or was cancelled by a person, and all that hangs on it; what was good stays
--         all     every step
--         from    a step and all that hangs on it
--         only    a step alone
--
-- Tasks that are still active are left as they are. History of the earlier attempts stays in task_run.
-- SECURITY DEFINER, because it writes what is known of dependencies. long_task_user may queue any task again, so that
-- this gives no right which it does not have.
--
-- Returns how many tasks were queued again.
CREATE OR REPLACE FUNCTION long_task.resume_workflow(
  p_run_id bigint,
  p_mode   text DEFAULT 'failed',
  p_step   text DEFAULT NULL
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_run     long_task.workflow_run := long_task.lock_run(p_run_id);
  v_begin   bigint[];
  v_ids     bigint[];
  v_blocked bigint;
  v_queued  integer;
  v_other   boolean := false;
  v_open    bigint[];
BEGIN
  IF p_mode NOT IN ('failed', 'all', 'from', 'only') OR p_mode IS NULL OR (p_mode IN ('from', 'only')) <> (p_step IS NOT NULL) THEN
    PERFORM long_task.refuse('LT014', format('mode %s %s is not known',
      COALESCE(quote_literal(p_mode), 'null'), CASE WHEN p_step IS NULL THEN 'without a step' ELSE 'with a step' END),
      'Give ''failed'' or ''all'', or ''from'' or ''only'' and the name of a step.');
  END IF;
  IF v_run.started IS NULL THEN
    PERFORM long_task.refuse('LT003', format('run %s has not begun', p_run_id),
      COALESCE('Start another one: ' || v_run.error, 'It waits for the run before it, or was cancelled before that ended.'));
  END IF;
  IF (SELECT w.one_at_a_time FROM long_task.workflow AS w WHERE w.name = v_run.workflow AND w.version = v_run.version) THEN
    -- Until the end of the transaction no other run begins.
    PERFORM pg_advisory_xact_lock(long_task.workflow_lock(v_run.workflow));
    v_other := long_task.has_active_run(v_run.workflow, p_run_id);
  END IF;
  IF v_other THEN
    PERFORM long_task.refuse('LT003', format('another run of workflow %s is active', v_run.workflow),
      'Its runs come one at a time: wait for its end, or cancel it.');
  END IF;

  v_begin := ARRAY(
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND CASE p_mode
        WHEN 'all' THEN true
        WHEN 'failed' THEN t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL
        ELSE t.step = p_step
      END
  );
  IF p_step IS NOT NULL AND cardinality(v_begin) = 0 THEN
    PERFORM long_task.refuse('LT006', format('there is no step %s in run %s', p_step, p_run_id),
      'The view long_task.workflow_step_status has all of them.');
  END IF;
  v_ids := v_begin;
  IF p_mode IN ('failed', 'from') THEN
    v_ids := ARRAY(
      WITH RECURSIVE hanging(id) AS (
        SELECT b.id FROM unnest(v_begin) AS b(id)
        UNION
        SELECT d.task_id
        FROM hanging AS h
        JOIN long_task.task_dependency AS d ON d.needs_task_id = h.id AND d.enabled
        JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id
      )
      SELECT h.id FROM hanging AS h
    );
  END IF;

  -- Known before any of them is looked at: those that are queued again are not over.
  WITH written AS (
    UPDATE long_task.task_dependency AS d
    SET met = NULL
    FROM unnest(v_ids) AS i(id)
    JOIN long_task.task AS t ON t.id = i.id AND t.state_id IN ('CS', 'CF', 'CC')
    WHERE d.needs_task_id = t.id
      AND d.met IS NOT NULL
    RETURNING d.task_id
  )
  SELECT array_agg(w.task_id) INTO v_open
  FROM written AS w
  JOIN long_task.task AS t ON t.id = w.task_id AND t.state_id IN ('AW', 'AD');
  UPDATE long_task.task AS t
  SET state_id = 'AW'
  FROM unnest(v_ids) AS i(id)
  WHERE t.id = i.id
    AND t.state_id IN ('CS', 'CF', 'CC');
  GET DIAGNOSTICS v_queued = ROW_COUNT;
  IF v_open IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_open); -- what was let go and is not started yet waits again
  END IF;
  SELECT t.id INTO v_blocked
  FROM long_task.task AS t
  WHERE t.id = ANY (v_begin)
    AND t.state_id = 'CC'
  ORDER BY t.id
  LIMIT 1;
  IF FOUND THEN
    PERFORM long_task.refuse('LT003', format('step %s cannot start: it %s',
      (SELECT t.step FROM long_task.task AS t WHERE t.id = v_blocked), long_task.why_unmet(v_blocked)),
      'Resume from the step it needs, skip that (skip_task), or switch the dependency off.');
  END IF;
  UPDATE long_task.workflow_run AS r
  SET cancelled = NULL
  WHERE r.id = p_run_id
    AND r.cancelled IS NOT NULL;
  RETURN v_queued;
END
$$;

COMMENT ON FUNCTION long_task.resume_workflow(bigint, text, text) IS
  'Run steps of a run again: ''failed'' (what failed, and what hangs on it), ''all'', ''from'' a step, ''only'' a step. Returns how many tasks were queued.';

REVOKE ALL ON FUNCTION long_task.resume_workflow(bigint, text, text) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/resume_workflow', 'pg_tasks', 'changelog.xml', NOW(), 160, '9:391dba4a0ea33afc977f585adc8a39d4', 'sqlFile path=procedures/resume_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/roll_history::pg_tasks

-- roll_history: close the last partition of task_run and make the next, if it is time for that.
--
-- Called by  maintain_step
-- Locks      task_run in SHARE UPDATE EXCLUSIVE mode, which holds up neither reading nor writing. Is it held in such a
--            mode by somebody else, nothing is done.
-- Raises     nothing that is not a trouble of the database's own
--
-- A twelfth of what is to be kept makes a partition; thirty days, if everything is. There are never more
-- than thirty: then the last one goes on growing. Whoever reads the number of the last one before
-- this is committed writes into the one that was closed, which is as good.
--
-- Returns whether there is one more.
CREATE OR REPLACE FUNCTION long_task.roll_history()
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
DECLARE
  v_most   CONSTANT integer := 30;
  v_shares CONSTANT integer := 12;
  v_now    timestamptz := long_task.clock();
  v_last   long_task.task_run_part;
  v_policy long_task.history_retention;
  v_span   interval;
  v_next   text;
BEGIN
  SELECT p.* INTO v_last
  FROM long_task.task_run_part AS p
  ORDER BY p.part DESC
  LIMIT 1;
  SELECT h.* INTO v_policy
  FROM long_task.history_retention AS h;
  v_span := CASE
    WHEN v_policy.keep IS NOT NULL THEN v_policy.keep / v_shares
    WHEN v_policy.keep_rows IS NULL THEN interval '30 days'
  END;
  IF (v_last.began + v_span <= v_now OR long_task.history_rows(v_last.part) >= v_policy.keep_rows / v_shares) IS NOT TRUE
     OR NOT EXISTS (SELECT FROM long_task.task_run AS r WHERE r.part = v_last.part)
     OR (SELECT count(*) FROM long_task.task_run_part AS p) >= v_most THEN
    RETURN false;
  END IF;
  v_next := format('task_run_%s', v_last.part + 1);
  EXECUTE format('CREATE TABLE long_task.%I (LIKE long_task.task_run INCLUDING ALL)', v_next);
  EXECUTE format('ALTER TABLE long_task.%I ADD CONSTRAINT %I PRIMARY KEY (task_id, attempt)', v_next, v_next || '_pkey');
  EXECUTE format('COMMENT ON TABLE long_task.%I IS ''A partition of task_run.''', v_next);
  EXECUTE format('ALTER TABLE long_task.task_run ATTACH PARTITION long_task.%I FOR VALUES FROM (%s) TO (%s)', v_next,
    v_last.part + 1, v_last.part + 2);
  UPDATE long_task.task_run_part AS p
  SET ended = v_now
  WHERE p.part = v_last.part;
  INSERT INTO long_task.task_run_part (part, began)
  VALUES (v_last.part + 1, v_now);
  RETURN true;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION long_task.roll_history() IS
  'Make the next partition of task_run, if it is time for that. Returns whether it was.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/roll_history', 'pg_tasks', 'changelog.xml', NOW(), 161, '9:ba40e6a66fef897ef24c0de35d4fbfb8', 'sqlFile path=procedures/roll_history.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/run_kept_until::pg_tasks

-- run_kept_until: until when the policies of retention keep a run of a workflow.
--
-- Called by  sweep_runs
-- Locks      nothing
-- Raises     nothing
--
-- A run is kept for as long as any of its tasks. One that has none, because it was never begun or because people
-- have deleted them, goes by the policy for every other group.
--
-- Of one that is being cleared away already (run_kept) only whether it is active again is asked: to look at all of a
-- million tasks for each two hundred of them would take hours.
--
-- kept_until  infinity: for ever; null: it has not ended
-- tasks       how many were looked at
CREATE OR REPLACE FUNCTION long_task.run_kept_until(
  p_run_id       bigint,
  OUT kept_until timestamptz,
  OUT tasks      bigint
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
  tasks := 0;
  IF EXISTS (
    SELECT
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND (t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL)
  ) THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM long_task.run_kept AS k WHERE k.run_id = p_run_id AND k.kept_until = '-infinity') THEN
    kept_until := '-infinity';
    RETURN;
  END IF;
  SELECT max(k.kept_until), count(*) INTO kept_until, tasks
  FROM long_task.task_kept AS k
  WHERE k.run_id = p_run_id;
  IF tasks = 0 THEN
    SELECT COALESCE(
      COALESCE(r.cancelled, r.started) + CASE
        WHEN r.error IS NOT NULL THEN p.keep_failed
        WHEN r.cancelled IS NOT NULL THEN p.keep_cancelled
        ELSE p.keep_succeeded
      END,
      'infinity'
    )
    INTO kept_until
    FROM long_task.workflow_run AS r
    LEFT JOIN long_task.retention AS p ON p.group_id IS NULL
    WHERE r.id = p_run_id;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.run_kept_until(bigint) IS
  'Until when the policies of retention keep a run that has ended, and how many tasks were looked at for that.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/run_kept_until', 'pg_tasks', 'changelog.xml', NOW(), 162, '9:76d57453372b2f3816bccfbc352510e6', 'sqlFile path=procedures/run_kept_until.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/run_now::pg_tasks

-- run_now: start a scheduled task at once, beside its schedule.
--
-- Called by  people. It is as if they had written AW themselves; the schedule goes on as before.
-- Locks      the task's row FOR UPDATE
-- Raises     LT003 the task is active, LT006 no such task
--
-- SECURITY DEFINER, because a copy of a template names things that people do not write. long_task_user may
-- change every task, so that this gives no right which it does not have.
CREATE OR REPLACE FUNCTION long_task.run_now(p_task_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task   long_task.task;
  v_copies bigint[];
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.shed_clone OR v_task.state_id LIKE 'A%' AND v_task.overlap = 'clone' THEN
    v_copies := long_task.insert_clones(ARRAY[p_task_id], ARRAY[NULL]::timestamptz[], 'person');
    RETURN v_copies[1];
  END IF;
  IF v_task.state_id LIKE 'A%' THEN
    PERFORM long_task.refuse('LT003', format('task %s is active already', p_task_id),
      'Wait for its end, or set overlap to clone to have a copy run beside it.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  UPDATE long_task.task AS t
  SET
    state_id = 'AW',
    worker_id = long_task.pinned_worker(t)
  WHERE t.id = p_task_id;
  RETURN p_task_id;
END
$$;

COMMENT ON FUNCTION long_task.run_now(bigint) IS
  'Start a task at once, whatever its schedule says. Returns the id of the task that is queued: its own, or that of a copy.';

REVOKE ALL ON FUNCTION long_task.run_now(bigint) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/run_now', 'pg_tasks', 'changelog.xml', NOW(), 163, '9:71935b72e824a538ea79c247f3e3895b', 'sqlFile path=procedures/run_now.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/schedule_of::pg_tasks

-- schedule_of: the schedule of a task.
--
-- Called by  fire_schedules, fire_tasks, find_next_start, schedule_preview
-- Locks      nothing
-- Raises     nothing
--
-- A body that is parsed here, not at each call: its expression becomes a part of the calling statement, so that
-- nothing is read of a long stdin. copy_bytes is about what a copy of the task has to write; params and env may
-- be stored in a twentieth of their length.
CREATE OR REPLACE FUNCTION long_task.schedule_of(p_task long_task.task)
RETURNS long_task.schedule
LANGUAGE sql
STABLE
RETURN ROW(
  p_task.id,
  p_task.state_id,
  p_task.next_start,
  p_task.shed_period_id,
  p_task.shed_period_count,
  p_task.shed_anchor,
  p_task.shed_clone,
  p_task.shed_waiting,
  p_task.cron,
  p_task.cron_fields,
  p_task.time_zone,
  p_task.missed,
  p_task.missed_after,
  p_task.overlap,
  p_task.until,
  1000
    + COALESCE(octet_length(p_task.stdin), 0)
    + COALESCE(20 * pg_column_size(p_task.params), 0)
    + COALESCE(20 * pg_column_size(p_task.env), 0)
    + COALESCE(pg_column_size(p_task.command), 0)
)::long_task.schedule;

COMMENT ON FUNCTION long_task.schedule_of(long_task.task) IS
  'The schedule of a task, without what its program is given.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/schedule_of', 'pg_tasks', 'changelog.xml', NOW(), 164, '9:4f41aa953f727f4f04af81f04c0fee6d', 'sqlFile path=procedures/schedule_of.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/schedule_preview::pg_tasks

-- schedule_preview: the next starts of a cron line, or of a task's own schedule.
--
-- Called by  people, view scheduled.
-- Locks      nothing
-- Raises     LT004 bad value, LT006 no such task, LT007 bad schedule
--
-- The parameters of the two stand in such an order that literals without a type tell them apart.
--
-- What becomes of a start is decided when it is due: these are the times of the schedule, before jitter, whether
-- the task will have ended by then or not.
CREATE OR REPLACE FUNCTION long_task.schedule_preview(
  p_cron      text,
  p_time_zone text DEFAULT NULL,
  p_from      timestamptz DEFAULT NULL,
  p_count     integer DEFAULT 10
)
RETURNS SETOF timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_fields long_task.cron_fields := long_task.parse_cron(p_cron);
  v_next   timestamptz := long_task.preview_from(p_from, p_count) - interval '1 microsecond';
BEGIN
  IF p_time_zone IS NOT NULL AND NOT long_task.is_time_zone(p_time_zone) THEN
    PERFORM long_task.refuse('LT007', format('time_zone %s is not known', quote_literal(p_time_zone)),
      'Give a name of pg_timezone_names such as ''Europe/Berlin''.');
  END IF;
  FOR v_n IN 1 .. p_count LOOP
    v_next := long_task.cron_time_after(v_fields, p_time_zone, v_next);
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(text, text, timestamptz, integer) IS
  'The next starts of a cron line in a time zone (null: UTC), from a time on (null: now). SELECT long_task.schedule_preview(''0 9 * * mon-fri'', ''Europe/Berlin'')';

CREATE OR REPLACE FUNCTION long_task.schedule_preview(
  p_task_id bigint,
  p_count   integer DEFAULT 10,
  p_from    timestamptz DEFAULT NULL
)
RETURNS SETOF timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_from     timestamptz := long_task.preview_from(p_from, p_count);
  v_schedule long_task.schedule;
  v_next     timestamptz;
BEGIN
  SELECT (long_task.schedule_of(t)).* INTO v_schedule
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  v_next := CASE
    WHEN v_schedule.next_start > v_schedule.until THEN NULL
    WHEN v_schedule.next_start >= v_from THEN v_schedule.next_start
    WHEN v_schedule.next_start IS NOT NULL THEN long_task.next_start_after(v_schedule, v_from - interval '1 microsecond')
  END;
  FOR v_n IN 1 .. p_count LOOP
    EXIT WHEN v_next IS NULL;
    RETURN NEXT v_next;
    v_next := long_task.next_start_after(v_schedule, v_next);
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.schedule_preview(bigint, integer, timestamptz) IS
  'The next starts of a task''s schedule, from a time on (null: now). SELECT long_task.schedule_preview(7, 3)';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/schedule_preview', 'pg_tasks', 'changelog.xml', NOW(), 165, '9:0627ad42d0e890f83e06d848f4d5bf23', 'sqlFile path=procedures/schedule_preview.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/schedule_time_after::pg_tasks

-- schedule_time_after: the first start of an interval schedule after a given time.
--
-- Called by  next_start_after; people, to see when a schedule will start.
-- Locks      nothing
-- Raises     LT007 bad schedule, for which there is no next start to be found
--
-- Counted from the anchor and not from the latest start, so that nothing drifts and the 31st comes back
-- after a short month. Seconds, minutes and hours are elapsed time; days, weeks and months keep the
-- wall clock of the zone, by the rule of wall_clock_time.
CREATE OR REPLACE FUNCTION long_task.schedule_time_after(
  p_anchor    timestamptz,
  p_period_id text,
  p_count     integer,
  p_time_zone text,
  p_after     timestamptz
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_zone  text := COALESCE(p_time_zone, 'UTC');
  v_local timestamp := p_anchor AT TIME ZONE v_zone;
  v_after timestamp := p_after AT TIME ZONE v_zone;
  v_unit  interval := CASE p_period_id
    WHEN 'SEC' THEN interval '1 second'
    WHEN 'MIN' THEN interval '1 minute'
    WHEN 'HOU' THEN interval '1 hour'
    WHEN 'DAY' THEN interval '1 day'
    WHEN 'WEE' THEN interval '7 days'
    WHEN 'MON' THEN interval '1 month'
  END;
  v_steps bigint;
  v_next  timestamptz;
BEGIN
  IF (v_unit > interval '0' AND p_count > 0 AND p_anchor > '-infinity' AND p_after < 'infinity') IS NOT TRUE THEN
    PERFORM long_task.refuse('LT007', format('there is no start after %s every %s %s from %s',
        COALESCE(p_after::text, 'null'), COALESCE(p_count::text, 'null'), COALESCE(p_period_id, 'null'),
        COALESCE(p_anchor::text, 'null')),
      'Give an anchor, one of SEC, MIN, HOU, DAY, WEE, MON, and how many of it from one start to the next.');
  END IF;
  IF p_anchor > p_after THEN
    RETURN p_anchor;
  END IF;
  IF p_period_id IN ('SEC', 'MIN', 'HOU') THEN
    v_steps := floor(extract(epoch FROM p_after - p_anchor) / (extract(epoch FROM v_unit) * p_count)) + 1;
    RETURN p_anchor + v_unit * (v_steps * p_count);
  END IF;
  -- A guess that is not too late, then on until it is past: zones and short months move it a little.
  v_steps := CASE p_period_id
    WHEN 'MON' THEN extract(year FROM age(v_after, v_local)) * 12 + extract(month FROM age(v_after, v_local))
    ELSE floor(extract(epoch FROM v_after - v_local) / extract(epoch FROM v_unit))
  END / p_count - 1;
  -- The anchor itself is past, also if an hour later the clock of the zone shows its time once more.
  v_steps := GREATEST(v_steps, 1);
  LOOP
    v_next := long_task.wall_clock_time(v_local + v_unit * (v_steps * p_count), v_zone);
    EXIT WHEN v_next > p_after;
    v_steps := v_steps + 1;
  END LOOP;
  RETURN v_next;
END
$$;

COMMENT ON FUNCTION long_task.schedule_time_after(timestamptz, text, integer, text, timestamptz) IS
  'First start after a time of a schedule that has an anchor, a period (SEC MIN HOU DAY WEE MON), a count of periods and a time zone.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/schedule_time_after', 'pg_tasks', 'changelog.xml', NOW(), 166, '9:713da34ac68e6e1385d003acae9d6d19', 'sqlFile path=procedures/schedule_time_after.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/schema_version::pg_tasks

-- schema_version: what this schema is, and which nodes it still serves.
--
-- Called by  every node when it connects, and pg-tasks migrate.
-- Locks      nothing
-- Raises     nothing
--
-- version grows with each release that changes the schema; oldest_node is the smallest version of
-- which nodes still find everything they call.
CREATE OR REPLACE FUNCTION long_task.schema_version()
RETURNS TABLE (version integer, oldest_node integer)
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 1, 1
$$;

COMMENT ON FUNCTION long_task.schema_version() IS
  'Version of this schema, and the version of the oldest nodes that it serves.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/schema_version', 'pg_tasks', 'changelog.xml', NOW(), 167, '9:e3763859bb71205d2ea1111ca53dade4', 'sqlFile path=procedures/schema_version.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/seconds_to_next_due::pg_tasks

-- seconds_to_next_due: how long a node with free slots may sleep if nothing else happens.
--
-- Called by  sync, when slots are left after a claim.
-- Locks      nothing
-- Raises     nothing
--
-- What is ready or due now, after all of that was claimed and released, is held by somebody's
-- open transaction, or has come this very moment. The end of a transaction wakes nobody if it changed
-- nothing, so the node has to look again soon, but must not do so without a pause.
-- Where a limit holds it back, the node is told when there is room (is_told_of_room).
-- After a claim that took something, what is ready may also be what the claim had no room for: then
-- it looks again at once.
-- With nothing else to do, it is looked into the gaps, in several calls if there is much in them.
-- Rows due in more than a day are not looked at: nodes call far more often than that.
CREATE OR REPLACE FUNCTION long_task.seconds_to_next_due(
  p_worker_id integer,
  p_group_id  integer,
  p_claimed   boolean
)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_pause   CONSTANT double precision := 0.2;
  v_entries CONSTANT integer := 5000;
  v_horizon CONSTANT bigint := 86400000000; -- a day
  v_now     bigint := long_task.time_to_place(long_task.clock());
  v_due     bigint;
  v_again   double precision; -- there is more to be looked through
  v_survey  long_task.survey;
BEGIN
  IF (current_setting('long_task.gaps', true) <> '') IS NOT TRUE THEN
    v_survey := long_task.survey_work(p_worker_id, p_group_id);
    IF v_survey.due_in IS NOT NULL THEN
      RETURN CASE
        WHEN NOT v_survey.ready THEN NULLIF(v_survey.due_in, 'infinity')
        WHEN p_claimed THEN 0
        WHEN long_task.is_told_of_room(p_worker_id, p_group_id) THEN NULLIF(v_survey.due_in, 'infinity')
        ELSE v_pause
      END;
    END IF;
  END IF;
  IF current_setting('long_task.gaps', true) <> '' THEN
    v_again := LEAST(
      long_task.look_into_gaps('group', p_group_id, v_entries, true),
      long_task.look_into_gaps('worker', p_worker_id, v_entries, true),
      long_task.look_into_gaps('delayed_group', p_group_id, v_entries, true),
      long_task.look_into_gaps('delayed_worker', p_worker_id, v_entries, true)
    );
    IF v_again = 0 THEN
      RETURN 0;
    END IF;
  END IF;
  IF EXISTS (SELECT FROM long_task.live_places('group', p_group_id, long_task.queue_spans('group', p_group_id), 1))
     OR EXISTS (SELECT FROM long_task.live_places('worker', p_worker_id, long_task.queue_spans('worker', p_worker_id), 1)) THEN
    IF p_claimed OR long_task.is_told_of_room(p_worker_id, p_group_id) IS NOT TRUE THEN
      RETURN CASE WHEN p_claimed THEN 0 ELSE LEAST(v_again, v_pause) END;
    END IF;
  END IF;

  v_due := LEAST(
    (
      SELECT l.place
      FROM long_task.live_places('delayed_group', p_group_id, long_task.queue_spans('delayed_group', p_group_id), 1) AS l
    ),
    (
      SELECT l.place
      FROM long_task.live_places('delayed_worker', p_worker_id, long_task.queue_spans('delayed_worker', p_worker_id), 1) AS l
    )
  );
  IF v_due <= v_now THEN
    RETURN LEAST(v_again, v_pause);
  END IF;
  RETURN LEAST(v_again, CASE WHEN v_due < v_now + v_horizon THEN (v_due - v_now) / 1000000.0 END);
END
$$;

COMMENT ON FUNCTION long_task.seconds_to_next_due(integer, integer, boolean) IS
  'Seconds until the worker may have something to start, by a delay or a lock that is let go; null: nothing within a day.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/seconds_to_next_due', 'pg_tasks', 'changelog.xml', NOW(), 168, '9:30f8bb2ccc19e704b4620e776c3c36b7', 'sqlFile path=procedures/seconds_to_next_due.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_changed_task::pg_tasks

-- settle_changed_task: see to the tasks that wait for one that a person or a schedule has ended or queued again.
--
-- Called by  triggers on task: after UPDATE and after DELETE of a row that has to do with dependencies, before
--            TRUNCATE. What settle_tasks writes does not come here: it goes on with it by itself.
-- Locks      as settle_tasks; for DELETE the dependencies of that task too
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.settle_changed_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_dependents bigint[];
BEGIN
  CASE TG_OP
    WHEN 'UPDATE' THEN
      PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
    WHEN 'DELETE' THEN
      DELETE FROM long_task.task_dependency AS d
      WHERE d.task_id = OLD.id;
      IF OLD.state_id IN ('CS', 'CF', 'CC') AND OLD.running_on IS NULL THEN
        -- How it ended is known for the last time.
        UPDATE long_task.task_dependency AS d
        SET met = long_task.is_met(d."on", d.condition, OLD.state_id, NULL, OLD.result)
        WHERE d.needs_task_id = OLD.id
          AND d.met IS NULL;
        -- Who is queued again at this moment finds what is known of it by himself.
        v_dependents := ARRAY(
          SELECT d.task_id
          FROM long_task.task_dependency AS d
          JOIN long_task.task AS t ON t.id = d.task_id
          WHERE d.needs_task_id = OLD.id
            AND t.state_id NOT IN ('CS', 'CF', 'CC')
        );
        IF cardinality(v_dependents) = 0 THEN
          RETURN NULL;
        END IF;
      END IF;
      PERFORM long_task.settle_tasks(OLD.id || v_dependents);
    ELSE
      BEGIN
        TRUNCATE long_task.task_dependency, long_task.unsettled_task;
      EXCEPTION
        WHEN object_in_use THEN
          NULL; -- the same statement truncates them too
      END;
      PERFORM long_task.leave_workflow(w.workflow, false)
      FROM (
        SELECT DISTINCT r.workflow
        FROM long_task.workflow_run AS r
        WHERE r.started IS NULL AND r.cancelled IS NULL
      ) AS w;
  END CASE;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_changed_task() IS
  'Trigger: let tasks go on that waited for one that was ended, queued again or deleted by hand or by a schedule.';

REVOKE ALL ON FUNCTION long_task.settle_changed_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settle_changed_task
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_dependents
  AND NEW.running_on IS NOT DISTINCT FROM OLD.running_on
  AND NEW.state_id <> OLD.state_id
  AND (NEW.state_id IN ('CS', 'CF', 'CC') OR OLD.state_id IN ('CS', 'CF', 'CC'))
  AND (NEW.queued_by <> 'dependency' OR OLD.queued_by = 'dependency')
)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_task_of_other_needs
AFTER UPDATE OF needs, unmet ON long_task.task
FOR EACH ROW
WHEN (NEW.has_needs)
EXECUTE FUNCTION long_task.settle_changed_task();

-- A condition may hold now, or no longer.
CREATE OR REPLACE TRIGGER settle_task_of_other_result
AFTER UPDATE OF result ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_dependents
  AND NEW.running_on IS NULL
  AND OLD.running_on IS NULL
  AND NEW.state_id = OLD.state_id
  AND NEW.state_id IN ('CS', 'CF', 'CC')
  AND NEW.result IS DISTINCT FROM OLD.result
)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.has_needs OR OLD.has_dependents)
EXECUTE FUNCTION long_task.settle_changed_task();

CREATE OR REPLACE TRIGGER settle_truncated_tasks
BEFORE TRUNCATE ON long_task.task
FOR EACH STATEMENT
EXECUTE FUNCTION long_task.settle_changed_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_changed_task', 'pg_tasks', 'changelog.xml', NOW(), 169, '9:0fabf12b8f04d989a91c54a2e36c1c1a', 'sqlFile path=procedures/settle_changed_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_entering_task::pg_tasks

-- settle_entering_task: let a task that was queued go on, if what it needs has come already.
--
-- Called by  trigger on task, after UPDATE of a row with dependencies that enters AB.
-- Locks      as refresh_needs and settle_tasks
-- Raises     nothing
--
-- After the statement, and by the rows of the tasks it needs: those may have been queued again by the same statement.
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.settle_entering_task()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF long_task.needs_verdict(NEW.id, NEW.needs, NEW.unmet) <> 'wait' THEN
    PERFORM long_task.refresh_needs(ARRAY[NEW.id]);
    PERFORM long_task.settle_tasks(ARRAY[NEW.id]);
  ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(ARRAY[NEW.id], false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.settle_entering_task() IS
  'Trigger: let a task that was queued go on, if what it needs has come already.';

REVOKE ALL ON FUNCTION long_task.settle_entering_task() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settle_entering_task
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.has_needs
  AND NEW.state_id = 'AB'
  AND NOT NEW.wants_key
  AND OLD.state_id IN ('DR', 'CS', 'CF', 'CC')
)
EXECUTE FUNCTION long_task.settle_entering_task();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_entering_task', 'pg_tasks', 'changelog.xml', NOW(), 170, '9:53bda940f4c00d8b6c057b2b1945ec3e', 'sqlFile path=procedures/settle_entering_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_keys::pg_tasks

-- settle_keys: see to the keys that free_keys had to leave, or that have got room by other means than an end.
--
-- Called by  catch_up, if there is something
-- Locks      rows of unsettled_key FOR UPDATE SKIP LOCKED, then as free_keys
-- Raises     nothing
--
-- Returns the seconds until there is something to see to again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_keys(p_limit integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now  timestamptz := long_task.clock();
  v_keys text[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_key AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_key AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.concurrency_key
  )
  SELECT array_agg(DISTINCT t.concurrency_key) INTO v_keys
  FROM taken AS t;
  IF v_keys IS NOT NULL THEN
    PERFORM long_task.free_keys(v_keys, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_key AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_keys(integer) IS
  'See to keys that were left. Returns the seconds until there is more of it; null: there is none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_keys', 'pg_tasks', 'changelog.xml', NOW(), 171, '9:7cdd90d7434b614eac4ce940105fa1c8', 'sqlFile path=procedures/settle_keys.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_left::pg_tasks

-- settle_left: work off what settle_tasks had to leave.
--
-- Called by  catch_up, if there is something
-- Locks      rows of unsettled_task FOR UPDATE SKIP LOCKED, then as settle_tasks
-- Raises     nothing
--
-- Returns the seconds until there is something to work off again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_left(p_limit integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_ids     bigint[];
  v_refresh bigint[];
BEGIN
  WITH taken AS (
    DELETE FROM long_task.unsettled_task AS u
    USING (
      SELECT f.id
      FROM long_task.unsettled_task AS f
      WHERE f.not_before <= v_now
      ORDER BY f.id
      LIMIT p_limit
      FOR UPDATE SKIP LOCKED
    ) AS first
    WHERE u.id = first.id
    RETURNING u.task_id, u.refresh
  )
  SELECT array_agg(DISTINCT t.task_id), array_agg(DISTINCT t.task_id) FILTER (WHERE t.refresh)
  INTO v_ids, v_refresh
  FROM taken AS t;
  IF v_refresh IS NOT NULL THEN
    PERFORM long_task.refresh_needs(v_refresh);
  END IF;
  IF v_ids IS NOT NULL THEN
    PERFORM long_task.settle_tasks(v_ids, true);
  END IF;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_task AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_left(integer) IS
  'Look at tasks once more that settle_tasks has left. Returns the seconds until there is more of it; null: there is none.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_left', 'pg_tasks', 'changelog.xml', NOW(), 172, '9:22d816d71148b83abcfd0627994a846a', 'sqlFile path=procedures/settle_left.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_tasks::pg_tasks

-- settle_tasks: let those tasks go on that waited for some others.
--
-- Called by  finish_attempts and finish_deleted_attempts in the transaction of the end, the triggers of task and
--            task_dependency in that of whoever wrote there, resume_workflow, settle_left for what they had to leave.
-- Locks      the tasks FOR SHARE, rows of task_dependency and the tasks that wait FOR NO KEY UPDATE, all of it SKIP
--            LOCKED, so in any order. What somebody holds is left to a later sync (unsettled_task): nobody's open
--            transaction holds up the report of an end.
-- Raises     nothing
--
-- First met is brought in line with the state of the tasks that have changed; then the tasks that wait for them
-- are locked, whatever their state, and only then, with the eyes of a new statement, it is asked whether they may start. Of
-- two ends at the same moment one therefore sees the other, or finds the row locked and leaves it; and so does whoever
-- queues the task at that moment, because the row is locked before its trigger looks. One that was let go and is not
-- started yet waits again if what it needs is queued again. What is cancelled because its needs cannot be met
-- any more is an end itself: hence the rounds.
--
-- p_ids    tasks whose state has changed, or of whose dependencies one has
-- p_again  they were left before
CREATE OR REPLACE FUNCTION long_task.settle_tasks(
  p_ids   bigint[],
  p_again boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_batch   CONSTANT integer := 500;
  v_rounds  CONSTANT integer := 20;
  v_ids     bigint[] := p_ids;
  v_met     bigint[];
  v_changed integer;
  v_written integer;
  v_ended   integer;
  v_open    bigint[];
  v_held    boolean; -- whether somebody holds a row that is needed
  v_waiting bigint[];
  v_locked  bigint[];
BEGIN
  -- An old snapshot does not see what others have written: a node has a new one.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    PERFORM long_task.leave_unsettled(p_ids, false);
    RETURN;
  END IF;
  FOR v_round IN 1 .. v_rounds LOOP
    WITH ended AS MATERIALIZED (
      -- Locked, so that it is the newest version, and nobody queues it again before its dependencies are written.
      SELECT p.id, p.state_id, p.running_on, p.result, true AS present
      FROM long_task.task AS p
      WHERE p.id = ANY (v_ids)
        AND p.has_dependents
      FOR SHARE SKIP LOCKED
    ),
    deleted AS (
      -- What is deleted before its end counts as cancelled, when its process is gone.
      SELECT i.id, 'CC' AS state_id, NULL::integer AS running_on, NULL::jsonb AS result, false AS present
      FROM unnest(v_ids) AS i(id)
      WHERE NOT EXISTS (SELECT FROM long_task.task AS p WHERE p.id = i.id)
        AND NOT EXISTS (SELECT FROM long_task.deleted_attempt AS r WHERE r.task_id = i.id)
    ),
    changed AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result) AS met
      FROM (SELECT * FROM ended UNION ALL SELECT * FROM deleted) AS p
      JOIN long_task.task_dependency AS d ON d.needs_task_id = p.id
      WHERE d.met IS DISTINCT FROM long_task.is_met(d."on", d.condition, p.state_id, p.running_on, p.result)
        AND (p.present OR d.met IS NULL)
      LIMIT v_batch + 1
    ),
    free AS MATERIALIZED (
      SELECT d.task_id, d.needs_task_id, c.met
      FROM changed AS c
      JOIN long_task.task_dependency AS d ON d.task_id = c.task_id AND d.needs_task_id = c.needs_task_id
      LIMIT v_batch
      FOR NO KEY UPDATE OF d SKIP LOCKED
    ),
    written AS (
      UPDATE long_task.task_dependency AS d
      SET met = f.met
      FROM free AS f
      WHERE d.task_id = f.task_id
        AND d.needs_task_id = f.needs_task_id
      RETURNING d.task_id
    )
    SELECT
      array_agg(DISTINCT w.task_id),
      count(*),
      (SELECT count(*) FROM changed),
      (SELECT count(*) FROM ended),
      (SELECT array_agg(c.task_id) FROM changed AS c WHERE c.met IS NULL)
    INTO v_met, v_written, v_changed, v_ended, v_open
    FROM written AS w;
    v_held := v_written < LEAST(v_changed, v_batch) OR v_ended < cardinality(v_ids) AND v_ended < (
      SELECT count(*) FROM long_task.task AS p WHERE p.id = ANY (v_ids) AND p.has_dependents
    );
    IF v_held OR v_written < v_changed THEN
      PERFORM long_task.leave_unsettled(v_ids, v_held, false, p_again AND v_held);
    END IF;
    IF v_held AND v_open IS NOT NULL THEN
      PERFORM long_task.leave_unsettled(v_open, true, true, p_again);
    END IF;

    -- Those too that are open again, and whose dependency somebody holds: they must not start meanwhile.
    v_met := v_met || v_open || v_ids;
    WITH waiting AS MATERIALIZED (
      SELECT t.id
      FROM long_task.task AS t
      WHERE t.id = ANY (v_met)
        AND t.has_needs
    ),
    free AS MATERIALIZED (
      SELECT t.id
      FROM waiting AS w
      JOIN long_task.task AS t ON t.id = w.id
      FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    SELECT array_agg(w.id), (SELECT array_agg(f.id) FROM free AS f)
    INTO v_waiting, v_locked
    FROM waiting AS w;
    IF cardinality(v_waiting) > COALESCE(cardinality(v_locked), 0) THEN
      PERFORM long_task.leave_unsettled(ARRAY(
        SELECT w.id FROM unnest(v_waiting) AS w(id)
        EXCEPT
        SELECT l.id FROM unnest(v_locked) AS l(id)
      ), true, false, p_again);
    END IF;
    EXIT WHEN v_locked IS NULL;
    WITH moved AS (
      -- 'system' tells the triggers that a procedure writes this; it is never stored.
      UPDATE long_task.task AS t
      SET
        queued_by = 'system',
        state_id = CASE w.verdict WHEN 'start' THEN 'AW' WHEN 'wait' THEN 'AB' ELSE 'AC' END,
        wants_key = false
      FROM (
        SELECT
          s.id,
          CASE
            WHEN v_held AND s.id = ANY (v_open) THEN 'wait'
            ELSE long_task.needs_verdict(s.id, s.needs, s.unmet)
          END AS verdict
        FROM long_task.task AS s
        WHERE s.id = ANY (v_locked)
          AND s.state_id IN ('AB', 'AW', 'AD')
        ORDER BY s.id
      ) AS w
      WHERE t.id = w.id
        AND w.verdict <> CASE WHEN t.state_id = 'AB' AND NOT t.wants_key THEN 'wait' ELSE 'start' END
      RETURNING t.id, t.state_id, t.has_dependents
    )
    SELECT array_agg(m.id) INTO v_ids
    FROM moved AS m
    WHERE m.state_id = 'CC'
      AND m.has_dependents;
    EXIT WHEN v_ids IS NULL;
  END LOOP;
  IF v_ids IS NOT NULL AND v_locked IS NOT NULL THEN
    PERFORM long_task.leave_unsettled(v_ids, false);
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.settle_tasks(bigint[], boolean) IS
  'Let tasks go on that waited for these, or for dependencies of these that have changed.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_tasks', 'pg_tasks', 'changelog.xml', NOW(), 173, '9:f3c10ba3608e044631c1b37d8711e69f', 'sqlFile path=procedures/settle_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/settle_workflows::pg_tasks

-- settle_workflows: begin runs that waited for the end of another.
--
-- Called by  sync, if there is something, before it takes reports in: the ends of two last tasks of a run, reported at the same moment by two
--            nodes, do not see each other, but whoever comes after both sees both.
-- Locks      rows of unsettled_workflow FOR UPDATE SKIP LOCKED, then as begin_next_run
-- Raises     nothing: a run that cannot be begun fails, and after an error that is not its own it is tried again
--
-- Returns the seconds until there is something to see to again; null: nothing is left.
CREATE OR REPLACE FUNCTION long_task.settle_workflows()
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_patience CONSTANT interval := interval '2 seconds';
  -- Errors that are the run's own: data, constraints, exceptions that were raised, names, those of this schema.
  v_own      CONSTANT text[] := ARRAY['22', '23', 'P0', '42', 'LT'];
  v_now      timestamptz := long_task.clock();
  v_workflow text;
  v_error    text;
BEGIN
  FOR v_workflow IN
    WITH taken AS (
      DELETE FROM long_task.unsettled_workflow AS u
      USING (
        SELECT f.id
        FROM long_task.unsettled_workflow AS f
        WHERE f.not_before <= v_now
        ORDER BY f.id
        LIMIT 100
        FOR UPDATE SKIP LOCKED
      ) AS first
      WHERE u.id = first.id
      RETURNING u.workflow
    )
    SELECT DISTINCT t.workflow
    FROM taken AS t
    ORDER BY t.workflow
  LOOP
    BEGIN
      PERFORM long_task.begin_next_run(v_workflow, v_patience, true);
    EXCEPTION
      WHEN OTHERS THEN
        v_error := SQLERRM;
        IF left(SQLSTATE, 2) = ANY (v_own) THEN
          -- It was accepted while another one ran, and nobody is there any more to be told.
          UPDATE long_task.workflow_run AS r
          SET
            cancelled = v_now,
            error = v_error
          WHERE r.id = (
            SELECT w.id
            FROM long_task.workflow_run AS w
            WHERE w.id = (
              SELECT min(o.id)
              FROM long_task.workflow_run AS o
              WHERE o.workflow = v_workflow AND o.started IS NULL AND o.cancelled IS NULL
            )
            FOR UPDATE SKIP LOCKED
          );
        END IF;
        PERFORM long_task.leave_workflow(v_workflow, true, true);
    END;
  END LOOP;
  RETURN (SELECT GREATEST(0, extract(epoch FROM min(u.not_before) - v_now)) FROM long_task.unsettled_workflow AS u);
END
$$;

COMMENT ON FUNCTION long_task.settle_workflows() IS
  'Begin runs that waited for another. Returns the seconds until there is more to see to; null: there is not.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/settle_workflows', 'pg_tasks', 'changelog.xml', NOW(), 174, '9:3b6e58535b913c26b504a213213bfa26', 'sqlFile path=procedures/settle_workflows.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/skip_task::pg_tasks

-- skip_task: let those that wait for a task go on as if it had completed.
--
-- Called by  people
-- Locks      the task's row FOR UPDATE
-- Raises     LT003 it runs, LT006 no such task
--
-- The task is CS afterwards, without an exit code, and its error says that it was skipped.
-- SECURITY DEFINER, because CS is what tasks that run write. long_task_user may change every task, so that
-- this gives no right which it does not have.
CREATE OR REPLACE FUNCTION long_task.skip_task(p_task_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task long_task.task;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id
  FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;
  IF v_task.running_on IS NOT NULL THEN
    PERFORM long_task.refuse('LT003', format('task %s has a process', p_task_id),
      'Cancel it, and skip it when it has ended.',
      format('state_id is %s since %s', v_task.state_id, v_task.last_state_change));
  END IF;
  -- 'system' tells the triggers that a procedure writes this; it is never stored.
  UPDATE long_task.task AS t
  SET
    queued_by = 'system',
    state_id = 'CS',
    error = format('skipped by %s', session_user)
  WHERE t.id = p_task_id
    AND t.state_id <> 'CS';
END
$$;

COMMENT ON FUNCTION long_task.skip_task(bigint) IS
  'Let those that wait for a task go on as if it had completed.';

REVOKE ALL ON FUNCTION long_task.skip_task(bigint) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/skip_task', 'pg_tasks', 'changelog.xml', NOW(), 175, '9:7fe26953b90a757123452f89c6b3ac97', 'sqlFile path=procedures/skip_task.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/start_workflow::pg_tasks

-- start_workflow: start a run of a workflow.
--
-- Called by  people
-- Locks      as add_run
-- Raises     LT004 bad value, LT006 no such workflow, LT012 bad dependency, LT013 there is no such value, LT014 bad workflow
--
-- p_version  null: the latest that is enabled
--
-- A run of a workflow that runs one at a time waits for the run before it; some node begins it then.
-- SECURITY DEFINER, because tasks of a run name things that people do not write. long_task_user may insert any
-- task, so that this gives no right which it does not have.
--
-- Returns the id of the run.
CREATE OR REPLACE FUNCTION long_task.start_workflow(
  p_workflow text,
  p_params   jsonb DEFAULT '{}',
  p_version  integer DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN long_task.add_run(p_workflow, p_params, p_version, NULL, NULL);
END
$$;

COMMENT ON FUNCTION long_task.start_workflow(text, jsonb, integer) IS
  'Start a workflow with parameters, an object. Returns the id of the run.';

REVOKE ALL ON FUNCTION long_task.start_workflow(text, jsonb, integer) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/start_workflow', 'pg_tasks', 'changelog.xml', NOW(), 176, '9:62a3ec600c0ff94112c6696cb5f94806', 'sqlFile path=procedures/start_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/step_path::pg_tasks

-- step_path: the shortest way by which a step of a workflow needs itself.
--
-- Called by  check_workflow_edge, about an edge that is known to be in a cycle
-- Locks      nothing
-- Raises     nothing
--
-- As cycle_path does for tasks.
CREATE OR REPLACE FUNCTION long_task.step_path(
  p_workflow   text,
  p_version    integer,
  p_step       text,
  p_needs_step text
)
RETURNS text[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_seen text[] := ARRAY[p_needs_step];
  v_from text[] := ARRAY[p_step];
  v_ring text[] := ARRAY[p_needs_step];
  v_next text[];
  v_by   text[];
  v_path text[] := ARRAY[p_step];
  v_at   text := p_step;
BEGIN
  WHILE p_step <> ALL (v_seen) AND cardinality(v_ring) > 0 LOOP
    SELECT
      COALESCE(array_agg(r.needs_step ORDER BY r.needs_step), ARRAY[]::text[]),
      COALESCE(array_agg(r.step ORDER BY r.needs_step), ARRAY[]::text[])
    INTO v_next, v_by
    FROM (
      SELECT e.needs_step, min(e.step) AS step
      FROM long_task.workflow_edge AS e
      WHERE e.workflow = p_workflow
        AND e.version = p_version
        AND e.step = ANY (v_ring)
        AND e.needs_step <> ALL (v_seen)
      GROUP BY e.needs_step
    ) AS r;
    v_seen := v_seen || v_next;
    v_from := v_from || v_by;
    v_ring := v_next;
  END LOOP;
  LOOP
    v_at := v_from[array_position(v_seen, v_at)];
    v_path := v_at || v_path;
    EXIT WHEN v_at = p_step;
  END LOOP;
  RETURN v_path;
END
$$;

COMMENT ON FUNCTION long_task.step_path(text, integer, text, text) IS
  'The shortest cycle of steps through an edge of a workflow.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/step_path', 'pg_tasks', 'changelog.xml', NOW(), 177, '9:9288d984fcad479b306be9a137bdef54', 'sqlFile path=procedures/step_path.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/sweep_runs::pg_tasks

-- sweep_runs: go through some runs of workflows in the order of their ids, and clear those away that no policy keeps.
--
-- Called by  maintain_step
-- Locks      as clear_run
-- Raises     nothing: a run that cannot be deleted stays
--
-- Until when a run is kept takes a look at all of its tasks. So it is remembered (run_kept), but for no longer than a day:
-- a draft may be queued, and end, and nobody is told.
--
-- next  where to go on; null: this was the end
-- gone  how many tasks have gone
-- runs  how many runs
CREATE OR REPLACE FUNCTION long_task.sweep_runs(
  p_place  bigint,
  OUT next bigint,
  OUT gone integer,
  OUT runs integer
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_ids   CONSTANT bigint := 2000;
  v_most  CONSTANT integer := 200;
  v_looks CONSTANT integer := 2000;
  v_now   timestamptz := long_task.clock();
  v_look  integer := 0; -- how many rows were looked at
  v_run   bigint;
  v_kept  record;
  v_clear record;
BEGIN
  gone := 0;
  runs := 0;
  next := p_place + v_ids;
  FOR v_run IN
    SELECT r.id
    FROM long_task.workflow_run AS r
    WHERE r.id > p_place
      AND r.id <= p_place + v_ids
      AND (r.started IS NOT NULL OR r.cancelled IS NOT NULL)
      AND NOT EXISTS (SELECT FROM long_task.run_kept AS k WHERE k.run_id = r.id AND k.kept_until > v_now)
    ORDER BY r.id
  LOOP
    IF v_look >= v_looks OR gone >= v_most THEN
      next := v_run - 1;
      EXIT;
    END IF;
    v_kept := long_task.run_kept_until(v_run);
    v_look := v_look + 10 + v_kept.tasks;
    CONTINUE WHEN v_kept.kept_until IS NULL;
    IF v_kept.kept_until <= v_now THEN
      v_kept.kept_until := NULL;
      BEGIN
        v_clear := long_task.clear_run(v_run);
        gone := gone + v_clear.gone;
        runs := runs + v_clear.done::integer;
        v_look := v_look + 10 * v_clear.gone;
        IF v_clear.gone > 0 AND NOT v_clear.done THEN
          next := v_run - 1; -- the rest of it in the next step
          v_kept.kept_until := '-infinity';
        END IF;
      EXCEPTION
        WHEN OTHERS THEN
          PERFORM long_task.note_maintenance(format('run %s stays: %s', v_run, SQLERRM));
          v_kept.kept_until := v_now + interval '1 hour';
      END;
    END IF;
    IF v_kept.kept_until IS NULL THEN
      DELETE FROM long_task.run_kept AS k
      WHERE k.run_id = v_run;
    ELSE
      INSERT INTO long_task.run_kept AS k (run_id, kept_until)
      VALUES (v_run, LEAST(v_kept.kept_until, v_now + interval '1 day'))
      ON CONFLICT (run_id) DO UPDATE SET kept_until = excluded.kept_until;
    END IF;
    EXIT WHEN next < v_run;
  END LOOP;
  IF next >= (SELECT s.last_value FROM long_task.workflow_run_id_seq AS s) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_runs(bigint) IS
  'Clear away those of the next runs of workflows, by id, that no policy keeps. Returns where to go on, and how many tasks and runs have gone.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/sweep_runs', 'pg_tasks', 'changelog.xml', NOW(), 178, '9:63378e12a9fb85c297a1c3c3ca9d1cb3', 'sqlFile path=procedures/sweep_runs.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/sweep_tasks::pg_tasks

-- sweep_tasks: go through some tasks in the order of their ids, and clear those away that no policy keeps.
--
-- Called by  maintain_step
-- Locks      as clear_tasks
-- Raises     nothing
--
-- The way is the primary key and a remembered place, so that tasks bear no index for this. How many ids are looked at
-- goes by the time it took (p_stride): rows that were deleted may be long in the index. Ids grow with time: behind
-- the first row that is younger than the shortest policy there is nothing yet. Rows from a future that a
-- clock has dreamt of are no such row. Tasks of runs go with their run (sweep_runs).
-- The settings keep the plan on the primary key, in its order.
--
-- next    where to go on; null: this was the end
-- stride  how many ids to look at then
-- gone    how many tasks have gone
CREATE OR REPLACE FUNCTION long_task.sweep_tasks(
  p_place    bigint,
  p_stride   bigint,
  OUT next   bigint,
  OUT stride bigint,
  OUT gone   integer
)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  v_most  CONSTANT integer := 200;
  v_least CONSTANT bigint := 500;
  v_far   CONSTANT bigint := 1000000000;
  v_begun timestamptz := clock_timestamp(); -- a duration, not a time
  v_now   timestamptz := long_task.clock();
  v_young interval := (SELECT min(LEAST(r.keep_succeeded, r.keep_failed, r.keep_cancelled)) FROM long_task.retention AS r);
  v_found bigint[];
  v_ids   bigint[];
  v_took  double precision;
BEGIN
  gone := 0;
  stride := p_stride;
  next := p_place + p_stride;
  v_found := ARRAY(
    SELECT k.id
    FROM long_task.task_kept AS k
    -- No join: where statistics say that the table is empty, it would read the whole range for each row.
    CROSS JOIN LATERAL (SELECT w.has_dependents FROM long_task.task AS w WHERE w.id = k.id LIMIT 1) AS t
    WHERE k.id > p_place
      AND k.id <= p_place + p_stride
      AND k.kept_until <= v_now
      AND k.run_id IS NULL
      AND NOT (t.has_dependents AND long_task.is_needed(k.id))
    ORDER BY k.id
    LIMIT v_most
  );
  v_took := extract(epoch FROM clock_timestamp() - v_begun);
  IF v_took > 0.006 THEN
    stride := GREATEST(p_stride / 2, v_least);
  ELSIF v_took < 0.003 AND cardinality(v_found) < v_most THEN
    stride := LEAST(p_stride * 2, v_far);
  END IF;
  IF cardinality(v_found) > 0 THEN
    v_ids := long_task.light_tasks(v_found);
    IF cardinality(v_found) = v_most OR cardinality(v_ids) < cardinality(v_found) THEN
      next := v_ids[cardinality(v_ids)];
    END IF;
    gone := long_task.clear_tasks(v_ids, true);
  END IF;
  IF v_young IS NULL
     OR next >= (SELECT s.last_value FROM long_task.task_id_seq AS s)
     OR (
       SELECT t.created BETWEEN v_now - v_young AND v_now
       FROM long_task.task AS t
       WHERE t.id > p_place
         AND t.id <= next
       ORDER BY t.id DESC
       LIMIT 1
     ) THEN
    next := NULL;
  END IF;
END
$$;

COMMENT ON FUNCTION long_task.sweep_tasks(bigint, bigint) IS
  'Clear away those of the next tasks, by id, that no policy keeps. Returns where to go on, how far to look then, and how many have gone.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/sweep_tasks', 'pg_tasks', 'changelog.xml', NOW(), 179, '9:4f7d41b696e90ff2e3808e83c71f4023', 'sqlFile path=procedures/sweep_tasks.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/survey_work::pg_tasks

-- survey_work: whether there is anything for a node beside tasks that are ready, and until when there is not.
--
-- Called by  sync, of a node with free slots, and seconds_to_next_due after a claim
-- Locks      nothing
-- Raises     nothing
--
-- One statement in place of all that sync would ask otherwise: nearly all calls of nodes find nothing but what they
-- have come for. It reads the queues from their first entry on, dead ones too; if those are many, a closer look, which
-- remembers where they lie (note_gaps), is cheaper.
--
-- ready   something is ready, for the group or pinned to the worker; it may not be to be had: locked, or over a limit
-- busy    something runs on the worker
-- due_in  seconds until something is due, infinity: nothing is; null: look closely
CREATE OR REPLACE FUNCTION long_task.survey_work(
  p_worker_id integer,
  p_group_id  integer
)
RETURNS long_task.survey
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off -- which a plan that is forbidden, but the only one, looks worth to PostgreSQL 15
SET enable_bitmapscan = off
AS $$
DECLARE
  v_in_vain CONSTANT bigint := 500;
  v_read    bigint;
  v_ready   boolean;
  v_busy    boolean;
  v_due     timestamptz;
BEGIN
  -- As entries_read, without a call.
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass);
  SELECT
    EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
    ) OR EXISTS (
      SELECT FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id = p_worker_id
    ),
    r.count > 0,
    CASE
      WHEN r.attended > 0
        OR EXISTS (SELECT FROM long_task.deleted_attempt AS d WHERE d.worker_id = p_worker_id)
        OR EXISTS (SELECT FROM long_task.worker_stop AS s WHERE s.worker_id = p_worker_id AND s.stop <> 0)
        OR EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock())
        OR EXISTS (SELECT FROM long_task.unsettled_task)
        OR EXISTS (SELECT FROM long_task.unsettled_key)
        OR EXISTS (SELECT FROM long_task.unsettled_workflow)
      THEN '-infinity'
      ELSE LEAST(
        'infinity',
        (
          SELECT t.next_start
          FROM long_task.task AS t
          WHERE t.next_start IS NOT NULL
            AND t.shed_enabled
            AND (t.shed_waiting IS NULL OR t.state_id IN ('CS', 'CF', 'CC'))
          ORDER BY t.next_start
          LIMIT 1
        ),
        (
          SELECT t.start_after
          FROM long_task.task AS t
          WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id = p_group_id
          ORDER BY t.start_after
          LIMIT 1
        ),
        (
          SELECT t.start_after
          FROM long_task.task AS t
          WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id = p_worker_id
          ORDER BY t.start_after
          LIMIT 1
        )
      )
    END
  INTO v_ready, v_busy, v_due
  FROM (
    SELECT count(*) AS count, count(*) FILTER (WHERE t.state_id <> 'AE') AS attended
    FROM long_task.task AS t
    WHERE t.running_on = p_worker_id
  ) AS r;
  v_read := pg_stat_get_xact_tuples_returned('long_task.task_ready'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_ready_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_delayed_pinned'::regclass)
    + pg_stat_get_xact_tuples_returned('long_task.task_scheduled'::regclass)
    - v_read;
  RETURN ROW(v_ready, v_busy, CASE
    WHEN v_read > v_in_vain THEN NULL
    WHEN v_due = 'infinity' THEN 'infinity'
    WHEN v_due > long_task.clock() THEN extract(epoch FROM v_due - long_task.clock())
  END)::long_task.survey;
END
$$;

COMMENT ON FUNCTION long_task.survey_work(integer, integer) IS
  'Whether something is ready for a node, whether something runs on it, and seconds until something else is due, infinity if nothing is; null if there is something to do now.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/survey_work', 'pg_tasks', 'changelog.xml', NOW(), 180, '9:76db2e2a9176ec9f0d73939f45bf3c33', 'sqlFile path=procedures/survey_work.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/sync::pg_tasks

-- sync: the one call of a working node. Reports go in, orders come out.
--
-- Called by  a node, under its lease: when something has ended, a notification came, a time was reached.
-- Locks      the worker's lease row FOR NO KEY UPDATE, which writes no version of the row, so that a
--            snapshot held for hours does not make this lookup slower; then task rows; at a renewal
--            the lease rows of failed workers, which are passed over if somebody holds them.
-- Raises     LT001 lease lost
--
-- p_connection    number of the node's connection: a call of an earlier one is refused, which may have been
--                 left behind on its way and would claim tasks that nobody starts
-- p_reports       ended attempts, as finish_attempts takes them
-- p_free_slots    how many processes may be started
-- p_lease_seconds renew the lease for so long from now; null: leave it
-- p_running       how many processes there are, to be shown to people at a renewal
-- p_known         ids of all tasks whose end the node has not reported before; null: no need to compare
-- p_watched       at a renewal: leases of others for whose end the node has waited (recover_failed_workers)
--
-- Returns a JSON object:
--   start     what to start, best first (start_order)
--   attend    [task id, attempt, 'stop' | 'kill' | 'leave'] for processes that must not just go on
--   again     task ids whose report has to be handed in again
--   stop      the worker's stop code
--   wake_in   seconds until something is due, at the latest; null: nothing is known to be due
--   heed      which notification of its group's channel, beside those to all, is for this node; null: none
--   watch     at a renewal: the leases of others that this node watches (recover_failed_workers)
--   maintain  at a renewal: whether maintain_step is due
-- SECURITY DEFINER: roles that run nodes write no table themselves.
CREATE OR REPLACE FUNCTION long_task.sync(
  p_worker_id     integer,
  p_epoch         bigint,
  p_connection    integer,
  p_reports       json,
  p_free_slots    integer,
  p_running       integer,
  p_lease_seconds double precision DEFAULT NULL,
  p_known         bigint[] DEFAULT NULL,
  p_watched       text[] DEFAULT NULL
)
RETURNS json
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_group_id integer;
  v_stop     smallint := 0;
  v_again    bigint[];
  v_starts   json;
  v_wake_in  double precision;
  v_look_in  double precision;
  v_calm     boolean := false;
  v_survey   long_task.survey;
  v_idle     boolean := false;
  v_stands   boolean := COALESCE(current_setting('long_task.post', true), '') <> '';
  v_watch    json;
  v_attend   json;
  v_maintain boolean := false;
BEGIN
  v_group_id := long_task.hold_lease(p_worker_id, p_epoch, p_connection, p_lease_seconds, p_running);
  IF p_lease_seconds IS NOT NULL THEN
    v_watch := long_task.recover_failed_workers(p_worker_id, p_watched);
  END IF;
  IF p_reports IS NOT NULL THEN
    IF EXISTS (SELECT FROM long_task.unsettled_workflow) THEN
      v_wake_in := long_task.settle_workflows();
    END IF;
    v_again := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;

  -- Where gaps are known, a survey would read what lies in them.
  IF p_free_slots > 0 AND v_wake_in IS NULL AND (current_setting('long_task.gaps', true) <> '') IS NOT TRUE THEN
    v_survey := long_task.survey_work(p_worker_id, v_group_id);
    v_calm := v_survey.due_in IS NOT NULL;
    v_wake_in := NULLIF(v_survey.due_in, 'infinity');
  END IF;
  IF p_known <> '{}' OR p_known IS NOT NULL AND v_survey.busy IS NOT FALSE THEN
    v_starts := long_task.reconcile_attempts(p_worker_id, p_known, p_reports);
  END IF;
  IF NOT v_calm THEN
    IF p_reports IS NULL AND EXISTS (SELECT FROM long_task.unsettled_workflow) THEN
      v_wake_in := long_task.settle_workflows();
    END IF;
    SELECT c.stop, LEAST(v_wake_in, c.wake_in) INTO v_stop, v_wake_in
    FROM long_task.catch_up(p_worker_id, v_group_id) AS c;
    v_attend := long_task.attend_attempts(p_worker_id);
    v_maintain := p_lease_seconds IS NOT NULL
      AND EXISTS (SELECT FROM long_task.maintenance AS m WHERE m.next_at <= long_task.clock());
  END IF;

  IF v_starts IS NOT NULL THEN
    v_wake_in := 0; -- how many slots are left then, the node knows at its next call
  ELSIF v_stop = 0 AND p_free_slots > 0 THEN
    IF NOT v_calm OR v_survey.ready THEN
      v_starts := long_task.claim_tasks(p_worker_id, v_group_id, p_free_slots);
    END IF;
    v_idle := p_free_slots > COALESCE(json_array_length(v_starts), 0);
    IF v_idle AND v_stands THEN
      v_look_in := long_task.take_post(v_group_id);
    END IF;
    IF v_idle AND (v_wake_in > 0) IS NOT FALSE THEN
      v_wake_in := LEAST(v_wake_in, NULLIF(v_look_in, 0));
      IF NOT v_calm OR v_survey.ready OR v_look_in = 0 THEN
        v_wake_in := LEAST(
          v_wake_in,
          long_task.seconds_to_next_due(p_worker_id, v_group_id, v_starts IS NOT NULL OR v_look_in = 0)
        );
      END IF;
    END IF;
  END IF;
  IF NOT v_idle AND v_stands THEN
    PERFORM long_task.leave_post(v_group_id);
  END IF;
  -- If nothing but an idle node's lease was renewed, there is no need to wait for the disk. If the server fails and forgets
  -- it, a lease is lost under which nothing ran: all that is claimed later comes to the disk after it.
  IF v_calm AND p_known = '{}' AND NOT v_survey.busy AND v_starts IS NULL AND p_reports IS NULL
     AND COALESCE(cardinality(p_watched), 0) = 0 THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;

  RETURN json_build_object(
    'start', v_starts,
    'attend', v_attend,
    'again', v_again,
    'stop', v_stop,
    'wake_in', v_wake_in,
    'heed', CASE WHEN v_idle AND v_stands THEN long_task.heeded_call() END,
    'watch', v_watch,
    'maintain', v_maintain
  );
END
$$;

COMMENT ON FUNCTION long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]) IS
  'For nodes: hand in reports, renew the lease, claim tasks, learn what to stop and when to call again.';

REVOKE ALL ON FUNCTION long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]) FROM PUBLIC;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/sync', 'pg_tasks', 'changelog.xml', NOW(), 181, '9:d4834ac90c2e334510e85d729f5822eb', 'sqlFile path=procedures/sync.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/table_option::pg_tasks

-- table_option: a setting of autovacuum as it holds for a table.
--
-- Called by  doctor_vacuum
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.table_option(
  p_options text[],
  p_name    text
)
RETURNS double precision
LANGUAGE sql
STABLE
RETURN COALESCE(
  (SELECT o.option_value FROM pg_catalog.pg_options_to_table(p_options) AS o WHERE o.option_name = p_name),
  pg_catalog.current_setting(p_name)
)::double precision;

COMMENT ON FUNCTION long_task.table_option(text[], text) IS
  'A number that rules autovacuum: the table''s own (reloptions), else that of the server.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/table_option', 'pg_tasks', 'changelog.xml', NOW(), 182, '9:58e4f06f779b97a4ecd2002dc602d237', 'sqlFile path=procedures/table_option.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/take_post::pg_tasks

-- take_post: let the session of an idle node stand at a post of its group, as far to the front as it can.
--
-- Called by  sync, of a node that has claimed what there was and has slots left, or is about to look whether there is anything
-- Locks      the post (an advisory lock of the session), if nobody has it
-- Raises     nothing
--
-- Posts say who is idle, and are locks, because those are seen at once, leave no versions of rows behind, and end with
-- the node's connection. At the first ones stand the sentries, who are told of all that is ready (announce_ready).
-- Those behind them are called one by one, by number, when a sentry is idle no more (leave_post). Who finds no post at
-- all finds its work at the next renewal.
--
-- A post may be held for the moment by those who have found nobody there and are about to commit. Then the node
-- looks again after a millisecond, and each time it has waited in vain twice as long.
--
-- A session that has found all of them taken looks at the sentries' and at one in eight of the others from then on, chosen
-- at random: in a large fleet nearly all nodes are without a post, and look at each renewal.
--
-- The setting long_task.post is the session's memory: the number of its post, negative: it has none, and has looked so
-- often in vain less one; not set: it cannot stand, because it is not the node's own. It needs no other place, because
-- it ends when the lock does.
--
-- Returns the seconds after which to look again: 0: it stands there now, and what has come before has to be looked for;
-- null: it can sleep.
CREATE OR REPLACE FUNCTION long_task.take_post(p_group_id integer)
RETURNS double precision
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_sentries CONSTANT integer := long_task.sentries();
  v_held     integer := current_setting('long_task.post')::integer;
  v_again    boolean := false;
  v_post     integer := 0;
BEGIN
  IF v_held BETWEEN 0 AND v_sentries - 1 THEN
    RETURN NULL;
  END IF;
  WHILE v_post < CASE WHEN v_held < 0 THEN long_task.posts() ELSE v_sentries END LOOP
    IF pg_try_advisory_lock(hashtext('long_task.post') + v_post, p_group_id) THEN
      IF v_held >= 0 THEN
        PERFORM pg_advisory_unlock(hashtext('long_task.post') + v_held, p_group_id);
      END IF;
      PERFORM set_config('long_task.post', v_post::text, false);
      RETURN 0;
    END IF;
    IF pg_try_advisory_lock_shared(hashtext('long_task.post') + v_post, p_group_id) THEN
      PERFORM pg_advisory_unlock_shared(hashtext('long_task.post') + v_post, p_group_id);
      v_again := true;
    END IF;
    EXIT WHEN v_again AND v_post >= v_sentries - 1;
    v_post := v_post + CASE WHEN v_held = -1 OR v_post < v_sentries - 1 THEN 1 ELSE 1 + floor(random() * 15)::integer END;
  END LOOP;
  IF NOT v_again THEN
    IF v_held = -1 THEN
      PERFORM set_config('long_task.post', '-2', false);
    END IF;
    RETURN NULL;
  ELSIF v_held >= 0 THEN
    RETURN 0.2; -- where it stands, it can be called meanwhile
  END IF;
  PERFORM set_config('long_task.post', GREATEST(v_held - 1, -9)::text, false);
  RETURN 0.001 * 2 ^ (-v_held - 1);
END
$$;

COMMENT ON FUNCTION long_task.take_post(integer) IS
  'Let the session of an idle node stand at a post of its group. Returns the seconds after which to look again; null: it can sleep.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/take_post', 'pg_tasks', 'changelog.xml', NOW(), 183, '9:b33a73154436ce899682b5c2b362a83f', 'sqlFile path=procedures/take_post.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/tell_group::pg_tasks

-- tell_group: wake the nodes of a group whose limit has been changed.
--
-- Called by  trigger on group_limit, after each write.
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.tell_group()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.announce(OLD.group_id, NULL);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM long_task.announce(NEW.group_id, NULL);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_group() IS
  'Trigger: wake the nodes of a group whose limit has been changed.';

CREATE OR REPLACE TRIGGER tell_group
AFTER INSERT OR UPDATE OR DELETE ON long_task.group_limit
FOR EACH ROW
EXECUTE FUNCTION long_task.tell_group();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/tell_group', 'pg_tasks', 'changelog.xml', NOW(), 184, '9:80896cfcf42515971c04b7a1d6a08627', 'sqlFile path=procedures/tell_group.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/tell_key::pg_tasks

-- tell_key: have those looked at that wait for a key when one that was about to take it does not.
--
-- Called by  triggers on task: after UPDATE and DELETE of a ready row with a key that is not claimed, but leaves the
--            queue or its place in it; on concurrency_limit after each write.
-- Locks      nothing
-- Raises     nothing
--
-- An end needs no trigger: finish_attempts sees to it in the same transaction.
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.tell_key()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM long_task.leave_key(OLD.concurrency_key, false);
  END IF;
  IF TG_TABLE_NAME = 'concurrency_limit' AND TG_OP <> 'DELETE' THEN
    PERFORM long_task.leave_key(NEW.concurrency_key, false);
  END IF;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_key() IS
  'Trigger: have those looked at that wait for a key when there may be room.';

REVOKE ALL ON FUNCTION long_task.tell_key() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tell_key
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  OLD.concurrency_key IS NOT NULL
  AND OLD.state_id = 'AW'
  AND OLD.running_on IS NULL
  AND NEW.running_on IS NULL
  AND NOT NEW.wants_key
  AND (
    NEW.state_id <> 'AW'
    OR NEW.concurrency_key IS DISTINCT FROM OLD.concurrency_key
    OR NEW.group_id <> OLD.group_id
    OR NEW.worker_id IS DISTINCT FROM OLD.worker_id
  )
)
EXECUTE FUNCTION long_task.tell_key();

CREATE OR REPLACE TRIGGER tell_key_of_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.concurrency_key IS NOT NULL AND OLD.state_id = 'AW' AND OLD.running_on IS NULL)
EXECUTE FUNCTION long_task.tell_key();

CREATE OR REPLACE TRIGGER tell_key
AFTER INSERT OR UPDATE OR DELETE ON long_task.concurrency_limit
FOR EACH ROW
EXECUTE FUNCTION long_task.tell_key();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/tell_key', 'pg_tasks', 'changelog.xml', NOW(), 185, '9:a1f70b82ee21131b8aba4b91580805b9', 'sqlFile path=procedures/tell_key.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/tell_workflow::pg_tasks

-- tell_workflow: have it seen whether a run may begin when a task of another has ended.
--
-- Called by  triggers on task: after the end of a task of a run, and after DELETE of one that has not ended.
-- Locks      nothing
-- Raises     nothing
--
-- SECURITY DEFINER, because whoever may write a task need not be able to write what the system does.
CREATE OR REPLACE FUNCTION long_task.tell_workflow()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM long_task.leave_workflow(w.workflow, false)
  FROM long_task.workflow_run AS r
  JOIN long_task.workflow_run AS w ON w.workflow = r.workflow
  WHERE r.id = OLD.run_id
    AND w.started IS NULL
    AND w.cancelled IS NULL
  LIMIT 1;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION long_task.tell_workflow() IS
  'Trigger: have it seen whether a run may begin when a task of another has ended.';

REVOKE ALL ON FUNCTION long_task.tell_workflow() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tell_workflow
AFTER UPDATE ON long_task.task
FOR EACH ROW
WHEN (
  NEW.run_id IS NOT NULL
  AND NEW.state_id IN ('CS', 'CF', 'CC')
  AND NEW.running_on IS NULL
  AND (OLD.running_on IS NOT NULL OR OLD.state_id NOT IN ('CS', 'CF', 'CC'))
)
EXECUTE FUNCTION long_task.tell_workflow();

CREATE OR REPLACE TRIGGER tell_workflow_of_deleted_task
AFTER DELETE ON long_task.task
FOR EACH ROW
WHEN (OLD.run_id IS NOT NULL AND (OLD.state_id NOT IN ('CS', 'CF', 'CC') OR OLD.running_on IS NOT NULL))
EXECUTE FUNCTION long_task.tell_workflow();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/tell_workflow', 'pg_tasks', 'changelog.xml', NOW(), 186, '9:33b1e1ecae932cbf690cff48b3eb387d', 'sqlFile path=procedures/tell_workflow.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/waiting_queues::pg_tasks

-- waiting_queues: who is waited for: groups, and workers to whom tasks are pinned.
--
-- Called by  doctor_queues, doctor_overdue
-- Locks      nothing
-- Raises     nothing
--
-- Goes from one to the next through an index, by one entry of each, and ends after 1000 of a kind.
--
-- p_state_id: AW, what is ready; AD, what is delayed.
--
-- Returns the group, or the worker, and since when its first task has been ready, or until when the delay lasts that is over first.
CREATE OR REPLACE FUNCTION long_task.waiting_queues(p_state_id text)
RETURNS TABLE (group_id integer, worker_id integer, since timestamptz)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
  v_least CONSTANT bigint := -2147483649; -- less than any id
  v_last  bigint := v_least;
BEGIN
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.group_id, t.last_state_change INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.group_id, t.start_after INTO group_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NULL AND t.group_id > v_last
      ORDER BY t.group_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN group_id IS NULL;
    RETURN NEXT;
    v_last := group_id;
  END LOOP;

  group_id := NULL;
  v_last := v_least;
  FOR v_place IN 1 .. 1000 LOOP
    IF p_state_id = 'AW' THEN
      SELECT t.worker_id, t.last_state_change INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AW' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.priority, t.ready_seq
      LIMIT 1;
    ELSE
      SELECT t.worker_id, t.start_after INTO worker_id, since
      FROM long_task.task AS t
      WHERE t.state_id = 'AD' AND t.running_on IS NULL AND t.worker_id IS NOT NULL AND t.worker_id > v_last
      ORDER BY t.worker_id, t.start_after
      LIMIT 1;
    END IF;
    EXIT WHEN worker_id IS NULL;
    RETURN NEXT;
    v_last := worker_id;
  END LOOP;
END
$$;

COMMENT ON FUNCTION long_task.waiting_queues(text) IS
  'Groups, and workers to whom tasks are pinned, with something ready (AW) or delayed (AD): since when, or until when, the first.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/waiting_queues', 'pg_tasks', 'changelog.xml', NOW(), 187, '9:08ae75051472815255c8376334c9f596', 'sqlFile path=procedures/waiting_queues.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/wall_clock_time::pg_tasks

-- wall_clock_time: when the clock on the wall of a zone shows a time.
--
-- Called by  cron_time_after, schedule_time_after
-- Locks      nothing
-- Raises     nothing; an unknown zone is PostgreSQL's own error
--
-- A time that is shown twice, when clocks are set back, is the first of the two. A time that is left out, when
-- clocks are set forward, is the moment of that change: what was planned within the gap happens at once after it.
-- This is the rule of cron (cron(8) of Debian).
CREATE OR REPLACE FUNCTION long_task.wall_clock_time(
  p_local timestamp,
  p_zone  text
)
RETURNS timestamptz
LANGUAGE plpgsql
STABLE
STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_day     CONSTANT interval := interval '24 hours';
  -- The second of the two, or a time that is as long after the gap as this is after its beginning.
  v_time    timestamptz := p_local AT TIME ZONE p_zone;
  v_offset  interval := ((v_time - v_day) AT TIME ZONE p_zone) - ((v_time - v_day) AT TIME ZONE 'UTC');
  v_earlier timestamptz := (p_local - v_offset) AT TIME ZONE 'UTC';
  v_before  timestamptz;
  v_middle  timestamptz;
BEGIN
  IF v_time AT TIME ZONE p_zone = p_local THEN
    RETURN CASE
      WHEN v_earlier < v_time AND v_earlier AT TIME ZONE p_zone = p_local THEN v_earlier
      ELSE v_time
    END;
  END IF;
  -- Halve the time in which the clock is changed until the second is found.
  v_before := v_time - (v_time AT TIME ZONE p_zone - p_local);
  WHILE v_time - v_before > interval '1 second' LOOP
    v_middle := date_trunc('second', v_before + (v_time - v_before) / 2);
    IF (v_middle AT TIME ZONE p_zone) - (v_middle AT TIME ZONE 'UTC') = v_offset THEN
      v_before := v_middle;
    ELSE
      v_time := v_middle;
    END IF;
  END LOOP;
  RETURN v_time;
END
$$;

COMMENT ON FUNCTION long_task.wall_clock_time(timestamp, text) IS
  'When the clock of a zone shows a time: the first time if it does twice, the moment of the change if it never does.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/wall_clock_time', 'pg_tasks', 'changelog.xml', NOW(), 188, '9:ee81d046f6e1b38e02e7d7d8a1a7f285', 'sqlFile path=procedures/wall_clock_time.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/why::pg_tasks

-- why: say in one sentence why a task is not running, or how it stands if that is not the question.
--
-- Called by  people.
-- Locks      nothing
-- Raises     LT006 no such task
CREATE OR REPLACE FUNCTION long_task.why(p_task_id bigint)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_task  long_task.task;
  v_ended timestamptz;
BEGIN
  SELECT t.* INTO v_task
  FROM long_task.task AS t
  WHERE t.id = p_task_id;
  IF NOT FOUND THEN
    PERFORM long_task.refuse('LT006', format('there is no task %s', COALESCE(p_task_id::text, 'null')),
      'Its history may still be in long_task.task_run.');
  END IF;

  SELECT l.locked_until INTO v_ended
  FROM long_task.worker_lease AS l
  WHERE l.worker_id = v_task.running_on
    AND (NOT l.active OR l.locked_until <= long_task.clock());

  RETURN CASE
    WHEN v_ended IS NOT NULL THEN
      format('Worker %s, which ran attempt %s, failed: its lease ended at %s. The attempt is written off by the first live node that sees it.',
        v_task.running_on, v_task.attempt, v_ended)
    WHEN v_task.workflow IS NOT NULL THEN
      format('It is a template, which starts workflow %s.', v_task.workflow)
    WHEN v_task.state_id = 'DR' THEN
      'It is a draft: set state_id to AW to queue it.'
    WHEN v_task.state_id IN ('AW', 'AD', 'AB') AND v_task.running_on IS NOT NULL THEN
      format('The process of attempt %s on worker %s has not exited yet.',
        v_task.attempt, v_task.running_on)
    WHEN v_task.state_id = 'AD' AND v_task.start_after <= long_task.clock() THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'retry' THEN
      format('Attempt %s failed (%s); the next one is delayed until %s.',
        v_task.attempt, v_task.error, v_task.start_after)
    WHEN v_task.state_id = 'AD' AND v_task.queued_by = 'schedule' AND v_task.jitter IS NOT NULL THEN
      format('Its start of %s is delayed until %s (jitter).', v_task.scheduled_for, v_task.start_after)
    WHEN v_task.state_id = 'AD' THEN
      format('It is delayed until %s (start_after).', v_task.start_after)
    WHEN v_task.state_id = 'AB' THEN
      long_task.why_blocked(v_task)
    WHEN v_task.state_id = 'AW' THEN
      long_task.why_waiting(v_task)
    WHEN v_task.state_id = 'AE' THEN
      format('It is running: attempt %s on worker %s since %s.',
        v_task.attempt, v_task.running_on, v_task.started)
    WHEN v_task.state_id = 'AS' THEN
      format('It is running and was asked to stop: attempt %s on worker %s, asked at %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'AC' THEN
      format('It is being killed: attempt %s on worker %s, since %s.',
        v_task.attempt, v_task.running_on, v_task.last_state_change)
    WHEN v_task.state_id = 'CS' THEN
      format('It completed at %s.', v_task.finished)
    WHEN v_task.state_id = 'CF' THEN
      format('It failed at %s: %s.', v_task.finished, COALESCE(v_task.error, 'the task itself said so'))
    WHEN v_task.state_id = 'CC' THEN
      format('It was cancelled at %s%s.', v_task.finished, ': ' || v_task.error)
  END || CASE
    WHEN v_task.shed_error IS NOT NULL THEN format(' Its schedule was paused by the system: %s.', v_task.shed_error)
    WHEN v_task.next_start IS NULL OR NOT (v_task.shed_clone OR v_task.state_id LIKE 'C%' OR v_task.state_id = 'DR') THEN ''
    WHEN NOT v_task.shed_enabled THEN ' Its schedule is paused (shed_enabled).'
    WHEN v_task.shed_clone THEN format(' Its schedule starts %s at %s.',
      CASE WHEN v_task.workflow IS NULL THEN 'a copy' ELSE 'it' END, v_task.next_start)
    WHEN v_task.state_id = 'DR' THEN ' Its schedule passes over it for as long (shed_clone is false).'
    ELSE format(' Its schedule starts it at %s.', v_task.next_start)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why(bigint) IS
  'One sentence: why is this task not running? SELECT long_task.why(7)';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/why', 'pg_tasks', 'changelog.xml', NOW(), 189, '9:bdd70894ca5e9f450a5384533362de4d', 'sqlFile path=procedures/why.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/why_blocked::pg_tasks

-- why_blocked: say in one sentence what a blocked task waits for.
--
-- Called by  why
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.why_blocked(p_task long_task.task)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_others integer;
  v_first  text;
  v_max    integer;
BEGIN
  IF p_task.wants_key THEN
    v_max := COALESCE(
      (SELECT c.max_running FROM long_task.concurrency_limit AS c WHERE c.concurrency_key = p_task.concurrency_key), 1
    );
    SELECT count(*) - 1, min(format('task %s', t.id)) INTO v_others, v_first
    FROM (
      SELECT r.id
      FROM long_task.task AS r
      WHERE r.concurrency_key = p_task.concurrency_key
        AND r.running_on IS NOT NULL
      UNION ALL
      SELECT d.task_id
      FROM long_task.deleted_attempt AS d
      WHERE d.concurrency_key = p_task.concurrency_key
    ) AS t;
    RETURN format('It waits for concurrency_key %L, with which at most %s may run at once: %s', p_task.concurrency_key,
      v_max, CASE
        WHEN v_max = 0 THEN 'none (concurrency_limit).'
        WHEN v_others < 0 THEN 'a node is about to look at it.'
        WHEN v_others = 0 THEN v_first || ' does.'
        ELSE format('%s and %s more do.', v_first, v_others)
      END);
  END IF;
  SELECT count(*) OVER () - 1, format('task %s%s, which is %s', p.id, ' (' || p.name || ')', p.state_id)
  INTO v_others, v_first
  FROM long_task.task_dependency AS d
  JOIN long_task.task AS p ON p.id = d.needs_task_id
  WHERE d.task_id = p_task.id
    AND d.met IS NULL
    AND d.enabled
  ORDER BY p.state_id NOT IN ('AE', 'AS', 'AC'), p.id
  LIMIT 1;
  RETURN CASE
    WHEN NOT FOUND THEN COALESCE(
      'It waits (unmet) because it ' || long_task.why_unmet(p_task.id) || '.',
      'What it needs has ended, and a node is about to look at it.'
    )
    WHEN v_others = 0 THEN format('It waits for %s.', v_first)
    WHEN p_task.needs = 'any' THEN format('It waits for any of %s tasks, such as %s.', v_others + 1, v_first)
    ELSE format('It waits for %s tasks, such as %s.', v_others + 1, v_first)
  END;
END
$$;

COMMENT ON FUNCTION long_task.why_blocked(long_task.task) IS
  'One sentence: what does this blocked task wait for?';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/why_blocked', 'pg_tasks', 'changelog.xml', NOW(), 190, '9:ca33f75c6fa37f4f25ab857588d646ed', 'sqlFile path=procedures/why_blocked.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/why_unmet::pg_tasks

-- why_unmet: say why the dependencies of a task can no longer be met.
--
-- Called by  move_task, why_blocked, resume_workflow, workflow_recovery_point
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.why_unmet(p_task_id bigint)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT format('needs %s of task %s%s, which %s%s',
      d."on", d.needs_task_id, ' (' || p.name || ')',
      CASE COALESCE(p.state_id, '')
        WHEN 'CS' THEN 'completed'
        WHEN 'CF' THEN 'failed'
        WHEN 'CC' THEN 'was cancelled'
        WHEN '' THEN 'was deleted'
        ELSE 'has ended otherwise'
      END,
      CASE WHEN d.condition IS NOT NULL AND p.state_id IS NOT NULL
        AND long_task.is_met(d."on", NULL, p.state_id, NULL, NULL) THEN ' without ' || d.condition
      END)
    FROM long_task.task_dependency AS d
    LEFT JOIN long_task.task AS p ON p.id = d.needs_task_id
    WHERE d.task_id = p_task_id
      AND d.enabled
      AND NOT d.met
    ORDER BY d.needs_task_id
    LIMIT 1
  );
END
$$;

COMMENT ON FUNCTION long_task.why_unmet(bigint) IS
  'The first dependency of a task that has not come as it was needed, in words.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/why_unmet', 'pg_tasks', 'changelog.xml', NOW(), 191, '9:b6b290ab677bddb73f6d850e528bd3f4', 'sqlFile path=procedures/why_unmet.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/why_waiting::pg_tasks

-- why_waiting: say in one sentence what a ready task waits for.
--
-- Called by  why
-- Locks      nothing
-- Raises     nothing
--
-- Looks at the workers that may run the task, from the hardest obstacle to the mildest: nobody there,
-- nobody willing, nobody free.
CREATE OR REPLACE FUNCTION long_task.why_waiting(p_task long_task.task)
RETURNS text
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_now     timestamptz := long_task.clock();
  v_whose   text := CASE
    WHEN p_task.worker_id IS NULL THEN 'group ' || p_task.group_id
    ELSE 'worker ' || p_task.worker_id
  END;
  v_live    integer;
  v_willing integer;
  v_slots   integer;
  v_busy    bigint;
  v_stops   text;
  v_ahead   integer;
  v_free    bigint;
  v_max     integer;
BEGIN
  SELECT
    count(*),
    count(*) FILTER (WHERE w.stop = 0),
    COALESCE(sum(w.slots) FILTER (WHERE w.stop = 0), 0),
    COALESCE(sum((SELECT count(*) FROM long_task.task AS t WHERE t.running_on = w.id)) FILTER (WHERE w.stop = 0), 0),
    string_agg(format('worker %s has stop = %s', w.id, w.stop), ', ' ORDER BY w.id) FILTER (WHERE w.stop > 0)
  INTO v_live, v_willing, v_slots, v_busy, v_stops
  FROM long_task.worker AS w
  WHERE w.active
    AND w.locked_until > v_now
    AND CASE
      WHEN p_task.worker_id IS NULL THEN w.group_id = p_task.group_id
      ELSE w.id = p_task.worker_id
    END;

  IF v_live = 0 AND p_task.worker_id IS NULL THEN
    RETURN format('There is no live worker in %s.', v_whose);
  ELSIF v_live = 0 THEN
    RETURN format('The task is for worker %s alone (worker_id), which no live node serves.', p_task.worker_id);
  ELSIF v_willing = 0 AND p_task.worker_id IS NOT NULL THEN
    RETURN format('The task is for worker %s alone (worker_id), and %s.', p_task.worker_id, v_stops);
  ELSIF v_willing = 0 THEN
    RETURN format('No worker of %s starts anything: %s.', v_whose, v_stops);
  ELSIF v_busy >= v_slots THEN
    SELECT count(*) INTO v_ahead
    FROM (
      SELECT
      FROM long_task.task AS t
      WHERE t.state_id = 'AW'
        AND t.running_on IS NULL
        AND t.worker_id IS NOT DISTINCT FROM p_task.worker_id
        AND (t.group_id = p_task.group_id OR p_task.worker_id IS NOT NULL)
        AND (t.priority, t.ready_seq) < (p_task.priority, p_task.ready_seq)
      LIMIT 1001
    ) AS a;
    RETURN format('All %s slots of %s are busy; %s tasks are ahead of it.', v_slots, v_whose,
      CASE WHEN v_ahead > 1000 THEN 'more than 1000' ELSE v_ahead::text END);
  END IF;
  v_free := v_slots - v_busy;
  SELECT
    g.max_running,
    (SELECT count(*) FROM long_task.task AS t WHERE t.running_on IS NOT NULL AND t.group_id = g.group_id)
      + (SELECT count(*) FROM long_task.deleted_attempt AS d WHERE d.group_id = g.group_id)
  INTO v_max, v_busy
  FROM long_task.group_limit AS g
  WHERE g.group_id = p_task.group_id;
  IF v_busy >= v_max THEN
    RETURN format('Group %s runs at most %s tasks at once (group_limit), and runs %s.', p_task.group_id, v_max, v_busy);
  END IF;
  RETURN format('It is about to be started: %s of %s slots of %s are free.', v_free, v_slots, v_whose);
END
$$;

COMMENT ON FUNCTION long_task.why_waiting(long_task.task) IS
  'One sentence: what does this ready task wait for?';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/why_waiting', 'pg_tasks', 'changelog.xml', NOW(), 192, '9:3dc02d19c358fc9eb6eb29732b277169', 'sqlFile path=procedures/why_waiting.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/workflow_graph::pg_tasks

-- workflow_graph: a run of a workflow as text that draws a graph.
--
-- Called by  people, pg-tasks graph
-- Locks      nothing
-- Raises     LT004 bad value, LT006 no such run
--
-- A step that is fanned out is one node, which counts its tasks by state.
--
-- p_format  mermaid (flowchart; https://mermaid.js.org) or dot (https://graphviz.org/doc/info/lang.html)
CREATE OR REPLACE FUNCTION long_task.workflow_graph(
  p_run_id bigint,
  p_format text DEFAULT 'mermaid'
)
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_dot   boolean := p_format = 'dot';
  v_nodes text;
  v_edges text;
BEGIN
  IF v_dot IS NULL OR p_format NOT IN ('mermaid', 'dot') THEN
    PERFORM long_task.refuse('LT004', format('format %s is not known', COALESCE(quote_literal(p_format), 'null')),
      'Give ''mermaid'' or ''dot''.');
  END IF;
  PERFORM long_task.assert_run(p_run_id);
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s [label="%s", fillcolor="%s"];', n.first,
        long_task.quote_label(n.label, p_format), n.color)
      ELSE format(E'  s%s["%s"]\n  style s%s fill:%s', n.first,
        long_task.quote_label(n.label, p_format), n.first, n.color)
    END, E'\n' ORDER BY n.first)
  INTO v_nodes
  FROM (
    SELECT
      min(s.id) AS first,
      s.step || CASE WHEN bool_or(s.item IS NOT NULL) THEN format(' x %s', sum(s.tasks)) ELSE '' END
        || ' ' || string_agg(
          s.state_id || CASE WHEN s.item IS NOT NULL THEN ' ' || s.tasks ELSE '' END, ', ' ORDER BY s.state_id
        ) AS label,
      CASE
        WHEN bool_or(s.state_id = 'CF') THEN '#f4b6b6'
        WHEN bool_or(s.state_id IN ('AE', 'AS', 'AC')) THEN '#fff2b3'
        WHEN bool_or(s.state_id IN ('AW', 'AD', 'AB', 'DR')) THEN '#e8e8e8'
        WHEN bool_or(s.state_id = 'CC') THEN '#d8c8e8'
        ELSE '#c3e6c3'
      END AS color
    FROM (
      SELECT min(t.id) AS id, t.step, t.state_id, max(t.item) AS item, count(*) AS tasks
      FROM long_task.task AS t
      WHERE t.run_id = p_run_id
      GROUP BY t.step, t.state_id
    ) AS s
    GROUP BY s.step
  ) AS n;
  SELECT string_agg(
    CASE
      WHEN v_dot THEN format('  s%s -> s%s [label="%s"%s];', e.needed, e.first,
        long_task.quote_label(e.label, p_format), CASE WHEN e.enabled THEN '' ELSE ', style=dashed' END)
      ELSE format('  s%s %s%s s%s', e.needed, CASE WHEN e.enabled THEN '-->' ELSE '-.->' END,
        CASE WHEN e.label <> '' THEN format('|"%s"|', long_task.quote_label(e.label, p_format)) ELSE '' END, e.first)
    END, E'\n' ORDER BY e.needed, e.first)
  INTO v_edges
  FROM (
    SELECT
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = p.step) AS needed,
      (SELECT min(f.id) FROM long_task.task AS f WHERE f.run_id = p_run_id AND f.step = t.step) AS first,
      concat_ws(' ', NULLIF(d."on", 'success'), d.condition::text) AS label,
      d.enabled
    FROM long_task.task_dependency AS d
    JOIN long_task.task AS t ON t.id = d.task_id
    JOIN long_task.task AS p ON p.id = d.needs_task_id AND p.run_id = p_run_id
    WHERE t.run_id = p_run_id
    GROUP BY p.step, t.step, d."on", d.condition::text, d.enabled
  ) AS e;
  IF v_dot THEN
    RETURN concat_ws(E'\n', 'digraph run {', '  rankdir=LR;', '  node [shape=box, style="rounded,filled"];', v_nodes, v_edges, '}');
  END IF;
  RETURN concat_ws(E'\n', 'flowchart LR', v_nodes, v_edges);
END
$$;

COMMENT ON FUNCTION long_task.workflow_graph(bigint, text) IS
  'A run of a workflow as a graph, in the language of Mermaid (''mermaid'') or of Graphviz (''dot'').';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/workflow_graph', 'pg_tasks', 'changelog.xml', NOW(), 193, '9:e68752dd45069a54afdd1dc4da935d5c', 'sqlFile path=procedures/workflow_graph.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/workflow_recovery_point::pg_tasks

-- workflow_recovery_point: where a run stopped: what failed first, and what that holds up.
--
-- Called by  people
-- Locks      nothing
-- Raises     LT006 no such run
--
-- Failed are steps that failed or were cancelled by themselves; blocked are those that need one of these directly.
-- What hangs on the blocked ones is left out: resume_workflow finds it.
CREATE OR REPLACE FUNCTION long_task.workflow_recovery_point(p_run_id bigint)
RETURNS TABLE (
  what     text,
  step     text,
  item     integer,
  task_id  bigint,
  state_id text,
  error    text
)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM long_task.assert_run(p_run_id);
  RETURN QUERY
  WITH failed AS (
    SELECT t.id
    FROM long_task.task AS t
    WHERE t.run_id = p_run_id
      AND (t.state_id = 'CF' OR t.state_id = 'CC' AND long_task.why_unmet(t.id) IS NULL)
  )
  SELECT 'failed', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task AS t ON t.id = f.id
  UNION ALL
  SELECT DISTINCT 'blocked', t.step, t.item, t.id, t.state_id, t.error
  FROM failed AS f
  JOIN long_task.task_dependency AS d ON d.needs_task_id = f.id AND d.enabled
  JOIN long_task.task AS t ON t.id = d.task_id AND t.run_id = p_run_id AND t.state_id IN ('AB', 'CC')
  WHERE t.id NOT IN (SELECT g.id FROM failed AS g)
  ORDER BY 1 DESC, 4;
END
$$;

COMMENT ON FUNCTION long_task.workflow_recovery_point(bigint) IS
  'The first failed steps of a run, and the steps that these block.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/workflow_recovery_point', 'pg_tasks', 'changelog.xml', NOW(), 194, '9:ad5af735cc0deea575b49988caca78e1', 'sqlFile path=procedures/workflow_recovery_point.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/write_off_attempts::pg_tasks

-- write_off_attempts: end the attempts of a worker whose lease has ended.
--
-- Called by  end_lease
-- Locks      task rows, as finish_attempts does.
-- Raises     nothing
--
-- p_reports are ends that somebody still knows of (as finish_attempts takes them); they count first.
-- What is left is lost: a lost attempt counts as failed, and the hook retry_lost_task says whether the
-- task goes on. Whatever becomes of the hook, the rule of all failures decides in its place: also when it
-- asserts, and when it is cancelled (WHEN OTHERS would pass both by). A hook that hangs is cancelled by the
-- statement_timeout under which nodes call. It comes once for a statement, so that nothing would end the
-- hook if it hung a second time: until the end of the transaction it is not asked again. A person whose
-- session has no such timeout waits for the hook, and by cancelling ends the hook only.
--
-- Returns how many attempts were lost. Those whose row somebody holds in an open transaction are passed
-- over, and are the worker's until this is called again.
CREATE OR REPLACE FUNCTION long_task.write_off_attempts(
  p_worker_id integer,
  p_reports   json DEFAULT '[]'
)
RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_spare bigint[] := ARRAY[]::bigint[];
  v_lost  json;
BEGIN
  IF json_array_length(p_reports) > 0 THEN
    v_spare := long_task.finish_attempts(p_worker_id, p_reports);
  END IF;
  BEGIN
    IF current_setting('long_task.hook_cancelled', true) = 'yes' THEN
      RAISE EXCEPTION 'not asked, because it was cancelled a moment ago';
    END IF;
    v_lost := long_task.lost_attempts(p_worker_id, v_spare, true);
  EXCEPTION
    WHEN OTHERS OR assert_failure OR query_canceled THEN
      -- A rule that fails must not keep the tasks from going on.
      IF SQLSTATE = '57014' THEN
        PERFORM set_config('long_task.hook_cancelled', 'yes', true);
      END IF;
      PERFORM long_task.log_event('hook failed', l, 0, 'retry_lost_task: ' || SQLERRM)
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = p_worker_id;
      v_lost := long_task.lost_attempts(p_worker_id, v_spare, false);
  END;
  IF v_lost IS NULL THEN
    RETURN 0;
  END IF;
  RETURN json_array_length(v_lost) - cardinality(long_task.finish_attempts(p_worker_id, v_lost));
END
$$;

COMMENT ON FUNCTION long_task.write_off_attempts(integer, json) IS
  'End the attempts of a worker whose lease has ended, as reported or as lost. Returns how many were lost.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/write_off_attempts', 'pg_tasks', 'changelog.xml', NOW(), 195, '9:52d148c77549c1c4be3c99acf698af14', 'sqlFile path=procedures/write_off_attempts.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/failed::pg_tasks

-- failed: the tasks that ended badly, latest first.
CREATE OR REPLACE VIEW long_task.failed AS
SELECT
  t.id,
  t.name,
  t.group_id,
  t.worker_id,
  t.finished,
  long_task.clock() - t.finished AS age,
  t.attempt - t.base_attempt AS attempts,
  t.exit_code,
  t.signal,
  t.error,
  t.output,
  t.command
FROM long_task.task AS t
WHERE t.state_id = 'CF'
ORDER BY t.finished DESC;

COMMENT ON VIEW long_task.failed IS
  'Tasks that ended badly, latest first. UPDATE long_task.task SET state_id = ''AW'' WHERE id = ... queues one again.';
COMMENT ON COLUMN long_task.failed.id IS 'The task.';
COMMENT ON COLUMN long_task.failed.name IS 'Its name.';
COMMENT ON COLUMN long_task.failed.group_id IS 'Its group.';
COMMENT ON COLUMN long_task.failed.worker_id IS 'The worker that ran it last.';
COMMENT ON COLUMN long_task.failed.finished IS 'When it ended.';
COMMENT ON COLUMN long_task.failed.age IS 'How long ago.';
COMMENT ON COLUMN long_task.failed.attempts IS 'Attempts that were made since it was queued.';
COMMENT ON COLUMN long_task.failed.exit_code IS 'Exit code of the last one.';
COMMENT ON COLUMN long_task.failed.signal IS 'Signal that ended the last one.';
COMMENT ON COLUMN long_task.failed.error IS 'Why.';
COMMENT ON COLUMN long_task.failed.output IS 'End of its output.';
COMMENT ON COLUMN long_task.failed.command IS 'What it ran.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/failed', 'pg_tasks', 'changelog.xml', NOW(), 196, '9:ed88b33ed619c58b9432f35529f5d731', 'sqlFile path=views/failed.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/group_status::pg_tasks

-- group_status: what waits, runs and ended in each group.
CREATE OR REPLACE VIEW long_task.group_status AS
WITH active AS (
  SELECT
    t.group_id,
    count(*) FILTER (WHERE t.state_id = 'AW') AS ready,
    count(*) FILTER (WHERE t.state_id = 'AD') AS delayed,
    count(*) FILTER (WHERE t.state_id = 'AB') AS blocked,
    count(*) FILTER (WHERE t.running_on IS NOT NULL) AS running,
    min(t.last_state_change) FILTER (WHERE t.state_id = 'AW') AS oldest_ready
  FROM long_task.task AS t
  WHERE t.state_id IN ('AW', 'AD', 'AB') OR t.running_on IS NOT NULL
  GROUP BY t.group_id
),
ended AS (
  SELECT
    h.group_id,
    count(*) AS ended,
    count(*) FILTER (WHERE h.state_id = 'CF') AS failed
  FROM long_task.task_run AS h
  WHERE h.finished > long_task.clock() - interval '1 minute'
    -- Of the partitions that were closed before, none is opened.
    AND h.part >= (
      SELECT min(p.part)
      FROM long_task.task_run_part AS p
      WHERE COALESCE(p.ended > long_task.clock() - interval '1 minute', true)
    )
  GROUP BY h.group_id
),
workers AS (
  SELECT
    l.group_id,
    count(*) AS live_workers,
    sum(l.slots) AS slots
  FROM long_task.worker_lease AS l
  WHERE l.active AND l.locked_until > long_task.clock()
  GROUP BY l.group_id
)
SELECT
  g.group_id,
  COALESCE(a.ready, 0) AS ready,
  COALESCE(a.delayed, 0) AS delayed,
  COALESCE(a.blocked, 0) AS blocked,
  COALESCE(a.running, 0) AS running,
  COALESCE(w.live_workers, 0) AS live_workers,
  COALESCE(w.slots, 0) AS slots,
  long_task.clock() - a.oldest_ready AS oldest_ready_age,
  COALESCE(e.ended, 0) AS ended_last_minute,
  COALESCE(e.failed, 0) AS failed_last_minute
FROM (
  SELECT group_id FROM active
  UNION
  SELECT group_id FROM ended
  UNION
  SELECT group_id FROM workers
) AS g
LEFT JOIN active AS a ON a.group_id = g.group_id
LEFT JOIN ended AS e ON e.group_id = g.group_id
LEFT JOIN workers AS w ON w.group_id = g.group_id
ORDER BY g.group_id;

COMMENT ON VIEW long_task.group_status IS
  'Groups: what waits, runs, and ended in the last minute, and who is there to run it.';
COMMENT ON COLUMN long_task.group_status.group_id IS 'The group.';
COMMENT ON COLUMN long_task.group_status.ready IS 'Tasks that wait for a slot.';
COMMENT ON COLUMN long_task.group_status.delayed IS 'Tasks that wait for a time.';
COMMENT ON COLUMN long_task.group_status.blocked IS 'Tasks that wait for another task.';
COMMENT ON COLUMN long_task.group_status.running IS 'Tasks that have a process.';
COMMENT ON COLUMN long_task.group_status.live_workers IS 'Workers whose lease holds.';
COMMENT ON COLUMN long_task.group_status.slots IS 'Slots of these workers.';
COMMENT ON COLUMN long_task.group_status.oldest_ready_age IS 'How long the longest waiting ready task has waited.';
COMMENT ON COLUMN long_task.group_status.ended_last_minute IS 'Attempts that ended in the last minute.';
COMMENT ON COLUMN long_task.group_status.failed_last_minute IS 'Those of them that ended badly.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/group_status', 'pg_tasks', 'changelog.xml', NOW(), 197, '9:00c7a8ddc8e1556a7162404c933463a7', 'sqlFile path=views/group_status.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/running::pg_tasks

-- running: the tasks that have a process, or are about to, with who runs them.
CREATE OR REPLACE VIEW long_task.running AS
SELECT
  t.id,
  t.name,
  t.state_id,
  t.attempt,
  t.group_id,
  t.running_on AS worker_id,
  l.node_name,
  l.host,
  t.started,
  long_task.clock() - t.started AS age,
  t.timeout,
  t.progress,
  t.priority,
  t.command
FROM long_task.task AS t
LEFT JOIN long_task.worker_lease AS l ON l.worker_id = t.running_on
WHERE t.running_on IS NOT NULL
ORDER BY t.started;

COMMENT ON VIEW long_task.running IS
  'Tasks that have a process, longest running first. A state other than AE, AS, AC means that the task has ended itself and its process has not exited yet.';
COMMENT ON COLUMN long_task.running.id IS 'The task.';
COMMENT ON COLUMN long_task.running.name IS 'Its name.';
COMMENT ON COLUMN long_task.running.state_id IS 'AE executing, AS stopping, AC being killed.';
COMMENT ON COLUMN long_task.running.attempt IS 'Number of the attempt.';
COMMENT ON COLUMN long_task.running.group_id IS 'Its group.';
COMMENT ON COLUMN long_task.running.worker_id IS 'The worker that runs it.';
COMMENT ON COLUMN long_task.running.node_name IS 'The node that holds this worker.';
COMMENT ON COLUMN long_task.running.host IS 'The machine of that node.';
COMMENT ON COLUMN long_task.running.started IS 'When it was claimed.';
COMMENT ON COLUMN long_task.running.age IS 'For how long it has run.';
COMMENT ON COLUMN long_task.running.timeout IS 'How long it may run.';
COMMENT ON COLUMN long_task.running.progress IS 'From 0 to 1, as the task itself says.';
COMMENT ON COLUMN long_task.running.priority IS 'Its priority.';
COMMENT ON COLUMN long_task.running.command IS 'What it runs.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/running', 'pg_tasks', 'changelog.xml', NOW(), 198, '9:0ebf5e89b165eda9d5590d18cd31ec69', 'sqlFile path=views/running.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/scheduled::pg_tasks

-- scheduled: every task that has a schedule, and when it will start.
CREATE OR REPLACE VIEW long_task.scheduled AS
SELECT
  t.id,
  t.name,
  t.group_id,
  t.state_id,
  CASE
    WHEN t.cron IS NOT NULL THEN t.cron
    WHEN t.shed_period_id IS NOT NULL THEN format('every %s %s', COALESCE(t.shed_period_count, 1), t.shed_period_id)
    ELSE 'once'
  END AS schedule,
  COALESCE(t.time_zone, 'UTC') AS time_zone,
  CASE
    WHEN t.shed_error IS NOT NULL THEN 'failed'
    WHEN NOT t.shed_enabled THEN 'paused'
    WHEN t.next_start IS NULL AND t.shed_anchor IS NULL AND t.cron IS NULL THEN 'without next_start'
    WHEN t.next_start IS NULL OR t.next_start > t.until THEN 'over'
    WHEN t.state_id = 'DR' AND NOT t.shed_clone THEN 'draft'
    WHEN t.shed_waiting THEN 'waiting'
    ELSE 'on'
  END AS status,
  t.next_start,
  CASE WHEN t.state_id <> 'DR' OR t.shed_clone THEN long_task.next_starts(t.id, t.next_start) END AS next_starts,
  t.scheduled_for AS latest_start,
  t.shed_clone AS clone,
  COALESCE(t.overlap, CASE
    WHEN t.shed_clone THEN 'clone'
    WHEN t.missed = 'run each' THEN 'queue each'
    ELSE 'skip'
  END) AS overlap,
  COALESCE(t.missed, 'run once') AS missed,
  t.missed_after,
  t.jitter,
  t.until,
  t.shed_error AS error
FROM long_task.task AS t
WHERE t.next_start IS NOT NULL
   OR t.cron IS NOT NULL
   OR t.shed_period_id IS NOT NULL
ORDER BY t.shed_enabled DESC, t.next_start, t.id;

COMMENT ON VIEW long_task.scheduled IS
  'Tasks with a schedule, next ones first. long_task.schedule_preview(id) shows more of their starts.';
COMMENT ON COLUMN long_task.scheduled.id IS 'The task.';
COMMENT ON COLUMN long_task.scheduled.name IS 'Its name.';
COMMENT ON COLUMN long_task.scheduled.group_id IS 'Group whose workers run it.';
COMMENT ON COLUMN long_task.scheduled.state_id IS 'State of the task; of a template it says nothing about its copies.';
COMMENT ON COLUMN long_task.scheduled.schedule IS 'Its cron line, its interval, or once.';
COMMENT ON COLUMN long_task.scheduled.time_zone IS 'Whose clock on the wall it keeps.';
COMMENT ON COLUMN long_task.scheduled.status IS
  'on; waiting: next_start has come, and waits for the task to end; draft: starts are passed over; paused; failed: paused by the system, see error; over; without next_start.';
COMMENT ON COLUMN long_task.scheduled.next_start IS 'The next start; null: there are no more.';
COMMENT ON COLUMN long_task.scheduled.next_starts IS 'The next three, before jitter; null: the task is a draft, or they cannot be found.';
COMMENT ON COLUMN long_task.scheduled.latest_start IS 'Time of the schedule for which the task itself was queued last.';
COMMENT ON COLUMN long_task.scheduled.clone IS 'True: each start is a copy of the task.';
COMMENT ON COLUMN long_task.scheduled.overlap IS 'What becomes of a start at which it is active: skip, clone, queue one, or, if each is run, queue each.';
COMMENT ON COLUMN long_task.scheduled.missed IS 'What becomes of starts that were missed.';
COMMENT ON COLUMN long_task.scheduled.missed_after IS 'A start that is later than this is given up.';
COMMENT ON COLUMN long_task.scheduled.jitter IS 'Each start is delayed by a random time of up to so much.';
COMMENT ON COLUMN long_task.scheduled.until IS 'No start after this time.';
COMMENT ON COLUMN long_task.scheduled.error IS 'Why the system has paused it.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/scheduled', 'pg_tasks', 'changelog.xml', NOW(), 199, '9:57f8ee9e9c9258b13883b2c2e79e9466', 'sqlFile path=views/scheduled.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/task_kept::pg_tasks

-- task_kept: until when the policies of retention keep each task.
CREATE OR REPLACE VIEW long_task.task_kept AS
SELECT
  t.id,
  t.run_id,
  t.group_id,
  t.state_id,
  CASE
    WHEN t.state_id NOT IN ('CS', 'CF', 'CC')
      OR t.running_on IS NOT NULL
      OR t.next_start IS NOT NULL
      OR t.cron IS NOT NULL
      OR t.shed_period_id IS NOT NULL
      OR t.shed_clone
      OR t.workflow IS NOT NULL
    THEN 'infinity'
    ELSE COALESCE(
      t.last_state_change + CASE t.state_id
        WHEN 'CS' THEN CASE WHEN o.group_id IS NULL THEN e.keep_succeeded ELSE o.keep_succeeded END
        WHEN 'CF' THEN CASE WHEN o.group_id IS NULL THEN e.keep_failed ELSE o.keep_failed END
        ELSE CASE WHEN o.group_id IS NULL THEN e.keep_cancelled ELSE o.keep_cancelled END
      END,
      'infinity'
    )
  END AS kept_until,
  COALESCE(CASE WHEN o.group_id IS NULL THEN e.archive ELSE o.archive END, false) AS archive
FROM long_task.task AS t
LEFT JOIN long_task.retention AS o ON o.group_id = t.group_id
LEFT JOIN long_task.retention AS e ON e.group_id IS NULL;

COMMENT ON VIEW long_task.task_kept IS
  'Until when each task is kept, by the policies in retention.';
COMMENT ON COLUMN long_task.task_kept.id IS 'The task.';
COMMENT ON COLUMN long_task.task_kept.run_id IS 'Run of a workflow that it is a part of: kept as a whole, for as long as any task of it.';
COMMENT ON COLUMN long_task.task_kept.group_id IS 'Its group.';
COMMENT ON COLUMN long_task.task_kept.state_id IS 'Its state.';
COMMENT ON COLUMN long_task.task_kept.kept_until IS 'It may go after this time, unless a task that has not ended needs it; infinity: it has not ended, has a schedule, is a template, or no policy says when.';
COMMENT ON COLUMN long_task.task_kept.archive IS 'Whether it is moved to task_archive then.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/task_kept', 'pg_tasks', 'changelog.xml', NOW(), 200, '9:674518d499e7ec6b9ac06ebc3fe0a7db', 'sqlFile path=views/task_kept.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/waiting::pg_tasks

-- waiting: what is to be started, in the order in which it will be.
CREATE OR REPLACE VIEW long_task.waiting AS
SELECT
  t.id,
  t.name,
  t.state_id,
  t.group_id,
  t.worker_id,
  t.priority,
  t.start_after,
  t.last_state_change AS since,
  long_task.clock() - t.last_state_change AS age,
  t.attempt - t.base_attempt AS failures,
  t.max_attempts,
  t.command,
  t.ready_seq
FROM long_task.task AS t
WHERE t.state_id IN ('AW', 'AD', 'AB')
ORDER BY t.group_id, t.state_id = 'AW' DESC, t.priority, t.ready_seq;

COMMENT ON VIEW long_task.waiting IS
  'Tasks that wait, ready ones first, in the order of the queue. long_task.why(id) says for what.';
COMMENT ON COLUMN long_task.waiting.id IS 'The task.';
COMMENT ON COLUMN long_task.waiting.name IS 'Its name.';
COMMENT ON COLUMN long_task.waiting.state_id IS 'AW ready, AD delayed, AB blocked.';
COMMENT ON COLUMN long_task.waiting.group_id IS 'Group whose workers may run it.';
COMMENT ON COLUMN long_task.waiting.worker_id IS 'The only worker that may run it; null: any of the group.';
COMMENT ON COLUMN long_task.waiting.priority IS 'Smaller is sooner.';
COMMENT ON COLUMN long_task.waiting.start_after IS 'Not before this time.';
COMMENT ON COLUMN long_task.waiting.since IS 'When it began to wait.';
COMMENT ON COLUMN long_task.waiting.age IS 'For how long it has waited.';
COMMENT ON COLUMN long_task.waiting.failures IS 'Attempts that failed since it was queued.';
COMMENT ON COLUMN long_task.waiting.max_attempts IS 'Attempts it has.';
COMMENT ON COLUMN long_task.waiting.command IS 'What it will run.';
COMMENT ON COLUMN long_task.waiting.ready_seq IS 'Place in the queue among equals.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/waiting', 'pg_tasks', 'changelog.xml', NOW(), 201, '9:db2b3c942b9f56f2e34d1b6131c8b57b', 'sqlFile path=views/waiting.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/worker::pg_tasks

-- worker: each worker as one row, the lease that its node writes beside the stop code that people write.
--
-- UPDATE of stop, INSERT of a worker that has not been there yet and DELETE of one that is not served
-- go through the trigger change_worker.
CREATE OR REPLACE VIEW long_task.worker AS
SELECT
  COALESCE(l.worker_id, s.worker_id) AS id,
  l.group_id,
  COALESCE(l.active, false) AS active,
  l.locked_until,
  COALESCE(l.task_count, 0) AS task_count,
  COALESCE(s.stop, 0::smallint) AS stop,
  l.node_name,
  l.slots,
  l.host,
  l.pid,
  l.version,
  l.since,
  COALESCE(l.epoch, 0) AS epoch
FROM long_task.worker_lease AS l
FULL JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id;

COMMENT ON VIEW long_task.worker IS
  'The workers. UPDATE long_task.worker SET stop = 2 WHERE id = 1 drains one.';
COMMENT ON COLUMN long_task.worker.id IS 'The worker, as given to node.py.';
COMMENT ON COLUMN long_task.worker.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker.active IS 'Whether a node holds it, as far as is known.';
COMMENT ON COLUMN long_task.worker.locked_until IS 'End of its node''s lease by the database''s clock.';
COMMENT ON COLUMN long_task.worker.task_count IS 'Processes at the latest renewal; worker_status counts them afresh.';
COMMENT ON COLUMN long_task.worker.stop IS '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';
COMMENT ON COLUMN long_task.worker.node_name IS 'Name of the node that holds it, or held it last.';
COMMENT ON COLUMN long_task.worker.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker.host IS 'Host name of that node.';
COMMENT ON COLUMN long_task.worker.pid IS 'Process id of that node.';
COMMENT ON COLUMN long_task.worker.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker.since IS 'When that node took the lease.';
COMMENT ON COLUMN long_task.worker.epoch IS 'Grows with each new holder of the lease.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/worker', 'pg_tasks', 'changelog.xml', NOW(), 202, '9:9bb69c5feff6cd838f89375e4c6e952b', 'sqlFile path=views/worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/worker_status::pg_tasks

-- worker_status: how each worker is doing, and each node that waits for one, counted at the moment of asking.
CREATE OR REPLACE VIEW long_task.worker_status AS
SELECT
  w.worker_id AS id,
  w.group_id,
  CASE
    WHEN NOT w.active THEN 'left'
    WHEN w.locked_until <= c.now THEN 'failed'
    -- A node renews when half of its lease is over, at the latest.
    WHEN w.locked_until - c.now < w.lease_duration * 0.4 THEN 'failing'
    WHEN w.stop IN (2, 3) THEN 'draining'
    WHEN w.stop = 1 THEN 'held'
    ELSE 'live'
  END AS status,
  w.stop,
  w.slots,
  r.running,
  e.ended AS ended_last_minute,
  e.failed AS failed_last_minute,
  CASE WHEN w.active THEN c.now - (w.locked_until - w.lease_duration) END AS lease_age,
  CASE WHEN w.active THEN w.locked_until - c.now END AS lease_left,
  w.node_name,
  w.host,
  w.pid,
  w.version,
  c.now - w.since AS age
FROM (
  SELECT
    COALESCE(l.worker_id, s.worker_id) AS worker_id,
    l.group_id,
    COALESCE(l.active, false) AS active,
    l.locked_until,
    l.lease_duration,
    COALESCE(s.stop, 0::smallint) AS stop,
    l.slots,
    l.node_name,
    l.host,
    l.pid,
    l.version,
    l.since
  FROM long_task.worker_lease AS l
  FULL JOIN long_task.worker_stop AS s ON s.worker_id = l.worker_id
) AS w
CROSS JOIN (SELECT long_task.clock() AS now OFFSET 0) AS c
CROSS JOIN LATERAL (
  SELECT count(*) AS running
  FROM long_task.task AS t
  WHERE t.running_on = w.worker_id
) AS r
LEFT JOIN (
  SELECT
    h.worker_id,
    count(*) AS ended,
    count(*) FILTER (WHERE h.state_id = 'CF') AS failed
  FROM long_task.task_run AS h
  WHERE h.finished > long_task.clock() - interval '1 minute'
    -- Of the partitions that were closed before, none is opened.
    AND h.part >= (
      SELECT min(p.part)
      FROM long_task.task_run_part AS p
      WHERE COALESCE(p.ended > long_task.clock() - interval '1 minute', true)
    )
  GROUP BY h.worker_id
) AS e ON e.worker_id = w.worker_id
UNION ALL
SELECT
  b.worker_id,
  b.group_id,
  'standby',
  COALESCE(s.stop, 0::smallint),
  b.slots,
  0,
  NULL,
  NULL,
  NULL,
  NULL,
  b.node_name,
  b.host,
  b.pid,
  b.version,
  long_task.clock() - b.since
FROM long_task.worker_standby AS b
LEFT JOIN long_task.worker_stop AS s ON s.worker_id = b.worker_id
WHERE b.seen_until > long_task.clock()
ORDER BY 1, age DESC;

COMMENT ON VIEW long_task.worker_status IS
  'Workers: live, held (stop = 1), draining (stop = 2 or 3), failing (late with its renewal), failed (its lease ran out) or left; and the nodes that stand by.';
COMMENT ON COLUMN long_task.worker_status.id IS 'The worker.';
COMMENT ON COLUMN long_task.worker_status.group_id IS 'Group whose tasks it runs.';
COMMENT ON COLUMN long_task.worker_status.status IS 'live, held, draining, failing, failed or left; standby: this row is a node that waits for the worker.';
COMMENT ON COLUMN long_task.worker_status.stop IS 'Its stop code.';
COMMENT ON COLUMN long_task.worker_status.slots IS 'Largest number of processes at once.';
COMMENT ON COLUMN long_task.worker_status.running IS 'Tasks that have a process now.';
COMMENT ON COLUMN long_task.worker_status.ended_last_minute IS 'Attempts that ended in the last minute; null: none.';
COMMENT ON COLUMN long_task.worker_status.failed_last_minute IS 'Those of them that ended badly.';
COMMENT ON COLUMN long_task.worker_status.lease_age IS 'Since the lease was taken or renewed; null: nobody holds it.';
COMMENT ON COLUMN long_task.worker_status.lease_left IS 'Until its lease ends if its node does not renew it; null: nobody holds it.';
COMMENT ON COLUMN long_task.worker_status.node_name IS 'The node that holds it, held it last, or waits for it.';
COMMENT ON COLUMN long_task.worker_status.host IS 'The machine of that node.';
COMMENT ON COLUMN long_task.worker_status.pid IS 'The process of that node.';
COMMENT ON COLUMN long_task.worker_status.version IS 'Release of pg_tasks on that node.';
COMMENT ON COLUMN long_task.worker_status.age IS 'How long that node has held it, or waited.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/worker_status', 'pg_tasks', 'changelog.xml', NOW(), 203, '9:64c3cbe66ae7e0140aec26839035992d', 'sqlFile path=views/worker_status.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/workflow_status::pg_tasks

-- workflow_status: each run of a workflow, and how it stands.
CREATE OR REPLACE VIEW long_task.workflow_status AS
SELECT
  r.id AS run_id,
  r.workflow,
  r.version,
  CASE
    WHEN r.error IS NOT NULL THEN 'failed'
    WHEN r.cancelled IS NOT NULL AND c.active = 0 THEN 'cancelled'
    WHEN r.started IS NULL THEN 'waiting'
    WHEN c.active > 0 THEN 'running'
    WHEN c.failed > 0 THEN 'failed'
    WHEN c.cancelled_alone > 0 THEN 'cancelled'
    ELSE 'completed'
  END AS status,
  c.tasks,
  c.waiting,
  c.running,
  c.completed,
  c.failed,
  c.cancelled,
  r.created,
  r.started,
  CASE WHEN c.active = 0 THEN c.finished END AS finished,
  r.started_by,
  r.scheduled_for,
  r.params,
  r.error
FROM long_task.workflow_run AS r
CROSS JOIN LATERAL (
  SELECT
    count(*) AS tasks,
    count(*) FILTER (WHERE t.state_id IN ('AW', 'AD', 'AB', 'AE', 'AS', 'AC') OR t.running_on IS NOT NULL) AS active,
    count(*) FILTER (WHERE t.state_id IN ('DR', 'AW', 'AD', 'AB')) AS waiting,
    count(*) FILTER (WHERE t.state_id IN ('AE', 'AS', 'AC')) AS running,
    count(*) FILTER (WHERE t.state_id = 'CS') AS completed,
    count(*) FILTER (WHERE t.state_id = 'CF') AS failed,
    count(*) FILTER (WHERE t.state_id = 'CC') AS cancelled,
    count(*) FILTER (WHERE t.state_id = 'CC' AND NOT EXISTS (
      SELECT
      FROM long_task.task_dependency AS d
      WHERE d.task_id = t.id AND d.met IS NOT NULL AND d.enabled AND NOT d.met
    )) AS cancelled_alone,
    max(t.finished) AS finished
  FROM long_task.task AS t
  WHERE t.run_id = r.id
) AS c;

COMMENT ON VIEW long_task.workflow_status IS
  'Runs of workflows: waiting (for the run before), running, completed, failed, cancelled.';
COMMENT ON COLUMN long_task.workflow_status.run_id IS 'The run.';
COMMENT ON COLUMN long_task.workflow_status.workflow IS 'What was started.';
COMMENT ON COLUMN long_task.workflow_status.version IS 'Its version.';
COMMENT ON COLUMN long_task.workflow_status.status IS 'waiting, running, completed, failed (a step failed), cancelled (by a person).';
COMMENT ON COLUMN long_task.workflow_status.tasks IS 'How many tasks it has.';
COMMENT ON COLUMN long_task.workflow_status.waiting IS 'Those that have not been started.';
COMMENT ON COLUMN long_task.workflow_status.running IS 'Those that run.';
COMMENT ON COLUMN long_task.workflow_status.completed IS 'Those that completed, or were skipped.';
COMMENT ON COLUMN long_task.workflow_status.failed IS 'Those that failed.';
COMMENT ON COLUMN long_task.workflow_status.cancelled IS 'Those that were cancelled, by a person or because of what they need.';
COMMENT ON COLUMN long_task.workflow_status.created IS 'When it was asked for.';
COMMENT ON COLUMN long_task.workflow_status.started IS 'When its tasks were made.';
COMMENT ON COLUMN long_task.workflow_status.finished IS 'When its last task ended; null: it has not.';
COMMENT ON COLUMN long_task.workflow_status.started_by IS 'person or schedule.';
COMMENT ON COLUMN long_task.workflow_status.scheduled_for IS 'Time of the schedule for which it was started.';
COMMENT ON COLUMN long_task.workflow_status.params IS 'What it was given.';
COMMENT ON COLUMN long_task.workflow_status.error IS 'Why it could not be begun.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/workflow_status', 'pg_tasks', 'changelog.xml', NOW(), 204, '9:6f277ff8674b53d8ee10aeb1f057ca72', 'sqlFile path=views/workflow_status.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::views/workflow_step_status::pg_tasks

-- workflow_step_status: the tasks of each run of a workflow, and what each waits for.
CREATE OR REPLACE VIEW long_task.workflow_step_status AS
SELECT
  t.run_id,
  r.workflow,
  t.step,
  t.item,
  t.id AS task_id,
  t.state_id,
  t.priority,
  t.attempt,
  t.started,
  t.finished,
  CASE
    WHEN t.state_id IN ('AE', 'AS', 'AC') THEN long_task.clock() - t.started
    ELSE t.finished - t.started
  END AS duration,
  w.waits_for,
  t.error
FROM long_task.task AS t
JOIN long_task.workflow_run AS r ON r.id = t.run_id
LEFT JOIN LATERAL (
  SELECT array_agg(DISTINCT COALESCE(p.name, p.id::text) ORDER BY COALESCE(p.name, p.id::text)) AS waits_for
  FROM long_task.task_dependency AS d
  JOIN long_task.task AS p ON p.id = d.needs_task_id
  WHERE t.state_id = 'AB'
    AND d.task_id = t.id
    AND d.met IS NULL
    AND d.enabled
) AS w ON true
WHERE t.run_id IS NOT NULL
ORDER BY t.run_id, t.id;

COMMENT ON VIEW long_task.workflow_step_status IS
  'Tasks of runs of workflows, each after those that it needs.';
COMMENT ON COLUMN long_task.workflow_step_status.run_id IS 'The run.';
COMMENT ON COLUMN long_task.workflow_step_status.workflow IS 'The workflow.';
COMMENT ON COLUMN long_task.workflow_step_status.step IS 'The step.';
COMMENT ON COLUMN long_task.workflow_step_status.item IS 'Place of the item, from 0; null: the step is not fanned out.';
COMMENT ON COLUMN long_task.workflow_step_status.task_id IS 'The task.';
COMMENT ON COLUMN long_task.workflow_step_status.state_id IS 'Its state.';
COMMENT ON COLUMN long_task.workflow_step_status.priority IS 'Smaller is sooner.';
COMMENT ON COLUMN long_task.workflow_step_status.attempt IS 'Number of its latest attempt.';
COMMENT ON COLUMN long_task.workflow_step_status.started IS 'When that was started.';
COMMENT ON COLUMN long_task.workflow_step_status.finished IS 'When it ended.';
COMMENT ON COLUMN long_task.workflow_step_status.duration IS 'How long it has run.';
COMMENT ON COLUMN long_task.workflow_step_status.waits_for IS 'Names of the tasks it waits for, each once.';
COMMENT ON COLUMN long_task.workflow_step_status.error IS 'Why it ended badly, or was not started.';

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('views/workflow_step_status', 'pg_tasks', 'changelog.xml', NOW(), 205, '9:6ccf5ec7b5d62dc637bd17dfb6a94a8a', 'sqlFile path=views/workflow_step_status.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::procedures/change_worker::pg_tasks

-- change_worker: carry out what people write into the view long_task.worker.
--
-- Called by  trigger change_worker, instead of INSERT, UPDATE and DELETE on the view.
-- Locks      the row of worker_stop; to delete a worker that is not served, its lease row, which is made if
--            there is none, and then task rows by end_lease. Never a lease row that a node needs.
-- Raises     LT001 worker is being served, LT004 bad value; to delete, a transaction with an old snapshot
--
-- SECURITY DEFINER: whoever may write the view may change a stop code, and nothing else of a worker.
CREATE OR REPLACE FUNCTION long_task.change_worker()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_lease long_task.worker_lease;
  v_lost  integer;
BEGIN
  IF TG_OP = 'DELETE' THEN
    -- As recover_worker_tasks, which says why.
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT004',
        MESSAGE = format('worker %s cannot be recovered in a transaction that is %s',
          OLD.id, current_setting('transaction_isolation')),
        HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED';
    END IF;
    -- As lock_worker does: what is deleted at the end is the row that is locked here, and no node can
    -- take the worker in between. Again, if somebody else deleted it while its row was waited for.
    LOOP
      INSERT INTO long_task.worker_lease (worker_id, group_id)
      VALUES (OLD.id, COALESCE(OLD.group_id, 0))
      ON CONFLICT DO NOTHING;
      SELECT l.* INTO v_lease
      FROM long_task.worker_lease AS l
      WHERE l.worker_id = OLD.id
      FOR UPDATE;
      EXIT WHEN FOUND;
    END LOOP;
    IF v_lease.active AND long_task.lease_over_at(v_lease) > long_task.clock() THEN
      RAISE EXCEPTION USING
        ERRCODE = 'LT001',
        MESSAGE = format('worker %s is served by %s', OLD.id, long_task.name_holder(v_lease)),
        HINT = 'Set stop = 3 to have its node cancel everything and leave.';
    END IF;
    -- Wait for rows that somebody holds, because end_lease passes over them.
    PERFORM t.id
    FROM long_task.task AS t
    WHERE t.running_on = OLD.id
    ORDER BY t.id
    FOR NO KEY UPDATE;
    v_lost := long_task.end_lease(v_lease);
    IF v_lease.active THEN
      PERFORM long_task.log_event('recovered', v_lease, v_lost,
        format('%s failed, and %s deleted the worker', long_task.name_holder(v_lease), session_user));
    END IF;
    DELETE FROM long_task.worker_stop AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_standby AS s WHERE s.worker_id = OLD.id;
    DELETE FROM long_task.worker_lease AS l WHERE l.worker_id = OLD.id;
    RETURN OLD;
  END IF;
  IF NEW.id IS NULL OR COALESCE(NEW.stop NOT BETWEEN 0 AND 3, TG_OP = 'UPDATE') THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('worker %s cannot have stop = %s',
        COALESCE(NEW.id::text, 'null'), COALESCE(NEW.stop::text, 'null')),
      HINT = '0 run; 1 start nothing new; 2 start nothing new, leave when idle; 3 cancel all, then leave.';
  END IF;
  IF (CASE TG_OP
    WHEN 'UPDATE' THEN to_jsonb(NEW) - 'stop' <> to_jsonb(OLD) - 'stop'
    ELSE jsonb_strip_nulls(to_jsonb(NEW) - 'stop' - 'id') <> '{}'
  END) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'LT004',
      MESSAGE = format('of worker %s only stop can be written', NEW.id),
      HINT = 'The other columns are written by its node.';
  END IF;
  INSERT INTO long_task.worker_stop AS s (worker_id, stop)
  VALUES (NEW.id, COALESCE(NEW.stop, 0))
  ON CONFLICT (worker_id) DO UPDATE
  SET stop = COALESCE(NEW.stop, s.stop)
  RETURNING s.stop INTO NEW.stop;
  PERFORM long_task.announce(NULL, NEW.id);
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION long_task.change_worker() IS
  'Trigger: carry out what people write into the view long_task.worker.';

REVOKE ALL ON FUNCTION long_task.change_worker() FROM PUBLIC;

CREATE OR REPLACE TRIGGER change_worker
INSTEAD OF INSERT OR UPDATE OR DELETE ON long_task.worker
FOR EACH ROW
EXECUTE FUNCTION long_task.change_worker();

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('procedures/change_worker', 'pg_tasks', 'changelog.xml', NOW(), 206, '9:318b9030ddea9f11449330b092e8186d', 'sqlFile path=procedures/change_worker.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);

-- Changeset changelog.xml::grants::pg_tasks

-- Who may do what: the whole of the rights on one screen.
--
--   long_task_reader  looks: tables, views, why
--   long_task_user    a reader who writes tasks. Whoever may insert a task runs programs on the nodes.
--   long_task_node    serves a worker, and can do nothing else
--
-- The roles cannot log in; GRANT one to a login role. They belong to the whole cluster, so that a
-- second database of the same cluster finds them there.
DO $$
DECLARE
  v_role text;
BEGIN
  FOREACH v_role IN ARRAY ARRAY['long_task_reader', 'long_task_user', 'long_task_node'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = v_role) THEN
      BEGIN
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', v_role);
      EXCEPTION
        WHEN duplicate_object OR unique_violation THEN
          NULL; -- another database of the cluster is being installed at the same moment
        WHEN insufficient_privilege THEN
          RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = pg_catalog.format('role %I does not exist and %I may not create it', v_role, current_user),
            HINT = pg_catalog.format('Have a role with CREATEROLE do CREATE ROLE %I NOLOGIN, then try again.', v_role);
      END;
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON SCHEMA long_task FROM PUBLIC;
GRANT USAGE ON SCHEMA long_task TO long_task_reader, long_task_user, long_task_node;

-- Functions are open to PUBLIC unless that is taken away. What triggers and defaults call stays open to
-- those who write tasks; the rest is called by SECURITY DEFINER procedures under their owner.
REVOKE ALL ON ALL ROUTINES IN SCHEMA long_task FROM PUBLIC;

GRANT SELECT ON
  long_task.task,
  long_task.task_state,
  long_task.task_run,
  long_task.task_run_part,
  long_task.task_archive,
  long_task.task_kept,
  long_task.retention,
  long_task.history_retention,
  long_task.maintenance,
  long_task.task_dependency,
  long_task.concurrency_limit,
  long_task.group_limit,
  long_task.workflow,
  long_task.workflow_step,
  long_task.workflow_edge,
  long_task.workflow_run,
  long_task.workflow_status,
  long_task.workflow_step_status,
  long_task.worker_lease,
  long_task.worker_stop,
  long_task.worker_standby,
  long_task.worker_event,
  long_task.unsettled_task,
  long_task.unsettled_key,
  long_task.unsettled_workflow,
  long_task.worker,
  long_task.worker_status,
  long_task.group_status,
  long_task.waiting,
  long_task.running,
  long_task.scheduled,
  long_task.failed
TO long_task_reader, long_task_user;
-- What why() counts among those that run.
GRANT SELECT (task_id, group_id, concurrency_key) ON long_task.deleted_attempt TO long_task_reader, long_task_user;
GRANT EXECUTE ON FUNCTION
  long_task.clock(),
  long_task.schema_version(),
  long_task.why(bigint),
  long_task.why_waiting(long_task.task),
  long_task.why_blocked(long_task.task),
  long_task.refuse(text, text, text, text),
  long_task.is_met(text, jsonpath, text, integer, jsonb),
  long_task.needs_verdict(bigint, text, text),
  long_task.why_unmet(bigint),
  long_task.check_edge(text, jsonpath, text),
  long_task.assert_run(bigint),
  long_task.workflow_recovery_point(bigint),
  long_task.workflow_graph(bigint, text),
  long_task.quote_label(text, text),
  long_task.schedule_preview(text, text, timestamptz, integer),
  long_task.schedule_preview(bigint, integer, timestamptz),
  long_task.schedule_time_after(timestamptz, text, integer, text, timestamptz),
  long_task.schedule_of(long_task.task),
  long_task.next_starts(bigint, timestamptz),
  long_task.preview_from(timestamptz, integer),
  long_task.next_start_after(long_task.schedule, timestamptz),
  long_task.cron_time_after(long_task.cron_fields, text, timestamptz),
  long_task.cron_local_after(long_task.cron_fields, timestamp),
  long_task.cron_days(long_task.cron_fields, date),
  long_task.parse_cron(text),
  long_task.parse_cron_field(text, text, text[], integer, integer),
  long_task.wall_clock_time(timestamp, text),
  long_task.is_time_zone(text),
  long_task.doctor(),
  long_task.doctor_blocked(),
  long_task.doctor_indexes(),
  long_task.doctor_notifications(),
  long_task.doctor_overdue(),
  long_task.doctor_processes(),
  long_task.doctor_queues(),
  long_task.doctor_retention(),
  long_task.doctor_server(),
  long_task.doctor_sessions(),
  long_task.doctor_settings(),
  long_task.doctor_snapshots(),
  long_task.doctor_vacuum(),
  long_task.doctor_workers(),
  long_task.waiting_queues(text),
  long_task.counted(bigint),
  long_task.history_label(name),
  long_task.history_rows(integer),
  long_task.table_option(text[], text),
  long_task.lease_over_at(long_task.worker_lease)
TO long_task_reader, long_task_user;

GRANT INSERT (
  name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
  kill_grace, max_attempts, retry_delay, next_start, shed_period_id, shed_period_count, shed_clone,
  shed_parent_id, shed_enabled, cron, time_zone, missed, missed_after, overlap, jitter, until, concurrency_key, needs,
  unmet, workflow
), UPDATE (
  name, state_id, priority, group_id, worker_id, command, params, env, stdin, cwd, start_after, timeout,
  kill_grace, max_attempts, retry_delay, next_start, shed_period_id, shed_period_count, shed_clone,
  shed_parent_id, shed_enabled, cron, time_zone, missed, missed_after, overlap, jitter, until, concurrency_key, needs,
  unmet, workflow,
  progress, result, error
), DELETE ON long_task.task TO long_task_user;
GRANT INSERT (task_id, needs_task_id, "on", condition, enabled, pass, name, gather),
  UPDATE ("on", condition, enabled, pass, name, gather), DELETE ON long_task.task_dependency TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.concurrency_limit, long_task.group_limit TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.workflow_step, long_task.workflow_edge TO long_task_user;
GRANT INSERT (name, version, description, enabled, one_at_a_time, max_running),
  UPDATE (description, enabled, one_at_a_time, max_running), DELETE ON long_task.workflow TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.worker TO long_task_user;
GRANT INSERT, UPDATE, DELETE ON long_task.retention TO long_task_user;
GRANT USAGE ON SEQUENCE long_task.ready_seq TO long_task_user;
GRANT EXECUTE ON FUNCTION
  long_task.announce(integer, integer),
  long_task.announce_ready(integer, bigint),
  long_task.first_at_post(integer),
  long_task.sentries(),
  long_task.assert_attempt(bigint, integer),
  long_task.run_now(bigint),
  long_task.new_workflow_version(text),
  long_task.start_workflow(text, jsonb, integer),
  long_task.resume_workflow(bigint, text, text),
  long_task.cancel_workflow(bigint),
  long_task.skip_task(bigint),
  long_task.maintain_step(bigint)
TO long_task_user;
GRANT EXECUTE ON PROCEDURE long_task.maintain(bigint, bigint, bigint, bigint, text) TO long_task_user;

GRANT EXECUTE ON FUNCTION
  long_task.schema_version(),
  long_task.lock_worker(integer, integer, integer, text, text, integer, text, integer, text, double precision, double precision, json, text, text[]),
  long_task.renew_lease(integer, bigint, integer, double precision),
  long_task.sync(integer, bigint, integer, json, integer, integer, double precision, bigint[], text[]),
  long_task.leave_worker(integer, bigint, integer),
  long_task.maintain_step(bigint)
TO long_task_node;

INSERT INTO long_task.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('grants', 'pg_tasks', 'changelog.xml', NOW(), 207, '9:d164db6aefe93d902e657f5c974c9a46', 'sqlFile path=grants.sql', '', 'EXECUTED', NULL, NULL, '4.28.0', NULL);
