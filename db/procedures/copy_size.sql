-- copy_size: how many bytes a copy of a task has to write, about.
--
-- Called by  fire_schedules, due_starts
-- Locks      nothing
-- Raises     nothing
--
-- None of these looks at the values themselves.
CREATE OR REPLACE FUNCTION long_task.copy_size(p_task long_task.task)
RETURNS bigint
LANGUAGE sql
STABLE
RETURN 1000
  + COALESCE(octet_length(p_task.stdin), 0)
  + COALESCE(pg_column_size(p_task.params), 0)
  + COALESCE(pg_column_size(p_task.env), 0)
  + COALESCE(pg_column_size(p_task.command), 0);

COMMENT ON FUNCTION long_task.copy_size(long_task.task) IS
  'About how many bytes a copy of a task has to write.';
