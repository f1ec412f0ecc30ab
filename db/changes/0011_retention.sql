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
