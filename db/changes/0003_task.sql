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
