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
