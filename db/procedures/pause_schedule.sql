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
