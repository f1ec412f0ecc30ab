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
