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
