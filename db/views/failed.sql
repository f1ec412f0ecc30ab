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
