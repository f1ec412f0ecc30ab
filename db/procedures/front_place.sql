-- front_place: a place in the queue before all tasks of a priority, behind those that were put there earlier.
--
-- Called by  move_task for a task that has waited for its key, finish_attempts for one that was given back
-- Locks      nothing
-- Raises     nothing
CREATE OR REPLACE FUNCTION long_task.front_place()
RETURNS bigint
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT nextval('long_task.ready_seq') + long_task.front_base()
$$;

COMMENT ON FUNCTION long_task.front_place() IS
  'A number for ready_seq below 0, which is before all tasks of the same priority that were queued as usual. Each is greater than the one before.';
