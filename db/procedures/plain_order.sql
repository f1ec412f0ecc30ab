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
