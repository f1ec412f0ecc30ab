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
